import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { startCloudStack } from "../../../scripts/cloud/cloud-stack.ts";
import { DEPLOYED_ENV, type Deployed } from "./deployed.ts";

/** The cloud that was brought up for the run, or one of these tests' own. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env[DEPLOYED_ENV];
  if (given) {
    project.provide("deployed", JSON.parse(given) as Deployed);
    return async () => {};
  }
  const dir = await mkdtemp(join(tmpdir(), "perigee-deployed-"));
  const stack = await startCloudStack({ dir, users: [], say: (line) => console.error(line) });
  const { url, endpoint, deployment } = stack;
  project.provide("deployed", { url, endpoint, outputs: deployment.outputs });
  return async () => {
    const clean = await stack.stop();
    await rm(dir, { recursive: true, force: true });
    if (!clean) throw new Error("the cloud did not end cleanly");
  };
}
