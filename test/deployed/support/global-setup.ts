import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { cleanEngine } from "../../../scripts/clean-engine.ts";
import { startCloudStack } from "../../../scripts/cloud/cloud-stack.ts";
import { clientFor, findEngine } from "../../../scripts/docker-engine.ts";
import { ensureBaseImage } from "../../../scripts/ensure-base-image.ts";
import { CONTEXT, DEPLOYED_ENV, type Deployed } from "./deployed.ts";

/** The cloud that was brought up for the run, or one of these tests' own. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env[DEPLOYED_ENV];
  if (given) {
    project.provide("deployed", JSON.parse(given) as Deployed);
    return async () => {};
  }
  const say = (line: string) => console.error(line);
  const engine = await findEngine();
  if (!("version" in engine)) throw new Error(`the edge's agent needs a Docker engine: ${engine.detail}`);
  const docker = clientFor(engine.host);
  await ensureBaseImage(docker, say);
  const dir = await mkdtemp(join(tmpdir(), "perigee-deployed-"));
  const stack = await startCloudStack({ dir, users: [], dockerHost: engine.host, context: CONTEXT, say });
  const { url, endpoint, deployment } = stack;
  project.provide("deployed", { url, endpoint, outputs: deployment.outputs });
  return async () => {
    const clean = await stack.stop();
    await cleanEngine(docker, stack.agentData);
    await rm(dir, { recursive: true, force: true });
    if (!clean) throw new Error("the cloud did not end cleanly");
  };
}
