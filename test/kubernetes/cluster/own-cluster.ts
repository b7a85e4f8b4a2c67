import { cpSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../../scripts/debian-packages.ts";
import { type FileLock, takeLock } from "../../../scripts/file-lock.ts";
import { until } from "../../../scripts/processes.ts";
import { chooseAddresses } from "./addresses.ts";
import { type ClusterParts, startApiServer, startControllers } from "./control-plane.ts";
import { Daemons } from "./daemons.ts";
import { Keys } from "./keys.ts";
import { makeNetwork, routes } from "./network.ts";
import {
  containerdAnswers,
  fillContainerd,
  logTail,
  nodePlace,
  policiesHold,
  startContainerd,
  startNode,
} from "./node.ts";
import { ensurePackages } from "./packages.ts";
import { writePauseImage } from "./pause-image.ts";
import { baseDirectory, type Places, placesOf, SLOTS } from "./places.ts";
import { ensurePrograms } from "./programs.ts";
import { ensureRegistryProgram, type Registry, startRegistry } from "./registry.ts";
import { saveSysctls, takeDown } from "./take-down.ts";

const READY_MS = 270_000;

/** A running throwaway cluster. */
export type OwnCluster = {
  kubeconfig: string;
  /** folder with kubectl */
  programs: string;
  registry: Registry;
  daemons: Daemons;
  places: Places;
  addresses: ClusterParts["addresses"];
  /** Takes everything down; logs are kept in `keepLogs`, where it is given. May be repeated. */
  down(keepLogs?: string): Promise<void>;
};

export type OwnClusterOptions = {
  say(line: string): void;
  /** labels of the two nodes, `key=value` */
  labels: readonly [readonly string[], readonly string[]];
  /** gives up starting */
  signal?: AbortSignal;
  base?: string;
};

/**
 * Brings up a real Kubernetes with two nodes, each in a network namespace of its own, with policies enforced and
 * an onboard registry; nothing of the machine's own is used but its kernel and packages. What killed runs left
 * in this or other slots is taken down first. When the start fails, so is what it made; logs are kept.
 */
export async function startOwnCluster(options: OwnClusterOptions): Promise<OwnCluster> {
  const { say, signal, base = baseDirectory() } = options;
  await ensurePackages(say);
  const programs = await ensurePrograms(base, say);
  const registryProgram = await ensureRegistryProgram(base, say);
  const { places, lock } = await takeSlot(base, say);
  const daemons = new Daemons(places.run);
  let taken: Promise<void> | undefined;
  const down = (keepLogs?: string) => {
    taken ??= (async () => {
      try {
        if (keepLogs && existsSync(join(places.run, "log"))) {
          cpSync(join(places.run, "log"), keepLogs, { recursive: true });
        }
        await takeDown(places);
      } finally {
        lock.release();
      }
    })();
    return taken;
  };
  try {
    mkdirSync(places.run, { recursive: true, mode: 0o711 });
    const addresses = chooseAddresses(await routes(), places.slot);
    const parts = { places, addresses, programs, keys: new Keys(places.run), daemons };
    const step = { say, signal: signal ?? new AbortController().signal, parts };
    const registry = await startParts(step, registryProgram, options.labels);
    const kubeconfig = parts.keys.kubeconfig("admin");
    return { kubeconfig, programs: programs.directory, registry, daemons, places, addresses, down };
  } catch (error) {
    const logs = join(places.directory, "failed-log");
    rmSync(logs, { recursive: true, force: true });
    await down(logs);
    if (existsSync(logs)) say(`logs of the failed start: ${logs}`);
    throw error;
  }
}

type Step = { say(line: string): void; signal: AbortSignal; parts: ClusterParts };

async function startParts(
  step: Step,
  registryProgram: string,
  labels: OwnClusterOptions["labels"],
): Promise<Registry> {
  const { parts, say } = step;
  const { places, addresses, keys, daemons, programs } = parts;
  await saveSysctls(places.run);
  await Promise.all([keys.make(addresses), makeNetwork(places.slot, addresses)]);
  await startApiServer(parts);
  const registry = await startRegistry(places.run, daemons, registryProgram, addresses.host);
  const pulls = { registry: registry.pull, authorization: registry.nodeAuthorization };
  const nodes = [nodePlace(parts, 1), nodePlace(parts, 2)];
  const pause = join(places.run, "pause.tar");
  await writePauseImage(programs.path("pause"), pause);
  for (const node of nodes) await startContainerd(parts, node, pulls);
  for (const node of nodes) {
    await ready(step, `containerd${node.number}`, () => containerdAnswers(parts, node));
    await fillContainerd(parts, node, pause);
  }
  for (const side of ["push", "pull"] as const) {
    await ready(step, `registry-${side}`, () => answers(registry[side]));
  }
  await ready(step, "apiserver", () => kubectl(parts, "get", "--raw", "/readyz"));
  say(`API server ready at ${addresses.nodes[0]}:6443, registry at ${registry.pull}`);
  await startControllers(parts);
  for (const node of nodes) {
    await startNode(parts, node, labels[node.number - 1]!);
    // one after the other: two kubelets that start at once fight for a socket that no setting moves
    const condition = '{.status.conditions[?(@.type=="Ready")].status}';
    await ready(
      step,
      `kubelet${node.number}`,
      async () => (await output(parts, "get", "node", node.name, "-o", `jsonpath=${condition}`)) === "True",
    );
    await ready(step, `policy${node.number}`, () => policiesHold(parts, node));
  }
  await ready(step, "controllers", async () => {
    const taints = await output(parts, "get", "nodes", "-o", "jsonpath={.items[*].spec.taints}");
    return taints === "" && (await kubectl(parts, "get", "serviceaccount", "default"));
  });
  say("two nodes ready, policies in force");
  return registry;
}

/** Waits for one part. @throws Error with the end of its log when it does not come up or has ended */
async function ready({ signal, parts }: Step, name: string, done: () => Promise<boolean>): Promise<void> {
  let missed = 0;
  let ended = false;
  const up = await until(async () => {
    signal.throwIfAborted();
    // while one program turns into the next its environment cannot be read
    missed = parts.daemons.pid(name) === undefined ? missed + 1 : 0;
    ended = missed > 3;
    return ended || (await done());
  }, READY_MS);
  if (up && !ended) return;
  const what = ended ? "ended" : `was not ready within ${READY_MS / 1000} s`;
  throw new Error(`${name} ${what}:\n${logTail(parts, name)}`);
}

async function kubectl(parts: ClusterParts, ...args: string[]): Promise<boolean> {
  return (await output(parts, ...args)) !== undefined;
}

/** What kubectl says; undefined when it fails. */
async function output({ programs, keys }: ClusterParts, ...args: string[]): Promise<string | undefined> {
  const all = ["--kubeconfig", keys.kubeconfig("admin"), "--request-timeout=5s", ...args];
  return run(programs.path("kubectl"), all, 20_000).catch(() => undefined);
}

async function answers(address: string): Promise<boolean> {
  return fetch(`http://${address}/v2/`, { signal: AbortSignal.timeout(2_000) }).then(
    (answer) => answer.status === 401,
    () => false,
  );
}

/** The first slot that nobody holds; what a killed run left in any free slot is taken down. */
async function takeSlot(
  base: string,
  say: (line: string) => void,
): Promise<{ places: Places; lock: FileLock }> {
  let mine: { places: Places; lock: FileLock } | undefined;
  for (let slot = 0; slot < SLOTS; slot++) {
    const places = placesOf(slot, base);
    if (mine && !existsSync(places.run)) continue;
    const lock = await takeLock(join(places.directory, "lock"));
    if (!lock) continue;
    if (existsSync(places.run)) {
      say(`taking down what a run before left in ${places.run}`);
      await takeDown(places);
    }
    if (mine) lock.release();
    else mine = { places, lock };
  }
  if (!mine) throw new Error(`${SLOTS} clusters are up already`);
  return mine;
}
