import { join, resolve } from "node:path";
import { ensurePackages } from "#test/kubernetes/cluster/packages.ts";
import { baseDirectory } from "#test/kubernetes/cluster/places.ts";
import { ensurePolicyTest, ensurePrograms } from "#test/kubernetes/cluster/programs.ts";
import { ensureRegistryProgram } from "#test/kubernetes/cluster/registry.ts";
import { WITHOUT_MACHINES } from "#test/support/without-machines.ts";
import { clientFor, engineWithin } from "./docker-engine.ts";
import { ensureVmImages } from "./ensure-vm-images.ts";
import { prepareLocalStack } from "./localstack/start.ts";
import { ensureVenv } from "./python/ensure-venv.ts";

/**
 * Builds and fetches what the tests need and this machine has not yet, so that none of them waits for it: run
 * beside the first of them, by `.ci/run`. Whoever needs a thing earlier waits for the one that is at it. What fails
 * here is said and left: whoever needs it tries again, and fails where it is needed.
 */
const ROOT = resolve(import.meta.dirname, "..");
/** On a machine without an engine one is being installed meanwhile. */
const ENGINE_MS = 5 * 60_000;
const began = performance.now();
const say = (line: string) =>
  console.log(`${((performance.now() - began) / 1000).toFixed(0).padStart(4)} s | ${line}`);

await Promise.all([
  inOrder({
    "the API description's tester": () =>
      ensureVenv("schemathesis", join(ROOT, "test/api-description/support/python-packages.txt"), say),
    LocalStack: () => prepareLocalStack(say),
  }),
  inOrder({
    "the images for virtual machines": async () => {
      if (WITHOUT_MACHINES) return;
      const engine = await engineWithin(ENGINE_MS);
      await ensureVmImages(clientFor(engine.host), say);
    },
  }),
  inOrder({
    "the cluster's packages": () => ensurePackages(say),
    "the cluster's registry": () => ensureRegistryProgram(baseDirectory(), say),
    "the cluster's programs": () => ensurePrograms(baseDirectory(), say),
    "the policy engine's tests": () => ensurePolicyTest(baseDirectory(), say),
  }),
]);
say("done");

/** One after the other; each is tried, whatever became of the one before. */
async function inOrder(tasks: Record<string, () => Promise<unknown>>): Promise<void> {
  for (const [name, task] of Object.entries(tasks)) {
    try {
      await task();
      say(`${name}: there`);
    } catch (error) {
      say(`${name}: ${(error as Error).message}`);
    }
  }
}
