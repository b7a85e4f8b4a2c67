import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { clientFor, findEngine } from "../../../../scripts/docker-engine.ts";
import { EDGE } from "../../../../scripts/prepare-data.ts";
import { makeToolchainImages } from "../../../../scripts/toolchain-images.ts";
import { ensureToolchainPackages } from "../../../../scripts/toolchain-packages.ts";
import { startOwnDeployment } from "../../../support/own-deployment.ts";
import { basic, UnikClient } from "./client.ts";
import type { UnikTarget } from "./target.ts";

/**
 * Gives UniK's contract suite a deployment with the tools of this machine; of one that PERIGEE_URL names PERIGEE_USER,
 * PERIGEE_PASSWORD, PERIGEE_USER2, PERIGEE_PASSWORD2, PERIGEE_EDGE, PERIGEE_UNIK_PROVIDER (docker) and PERIGEE_UNIK_ROOT
 * (the API's own listener, where there is one).
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { stop, ...target } = process.env.PERIGEE_URL ? given(process.env.PERIGEE_URL) : await own();
  try {
    const compilers = await offered(target);
    project.provide("unik", { ...target, compilers, run: `u${randomBytes(3).toString("hex")}` });
    return stop;
  } catch (error) {
    await stop();
    throw error;
  }
}

type Deployment = Omit<UnikTarget, "compilers" | "run"> & { stop(): Promise<void> };

function given(address: string): Deployment {
  const ground = address.replace(/\/+$/, "");
  return {
    ground,
    url: `${ground}/unik`,
    user: { name: required("PERIGEE_USER"), password: required("PERIGEE_PASSWORD") },
    other: { name: required("PERIGEE_USER2"), password: required("PERIGEE_PASSWORD2") },
    provider: process.env.PERIGEE_UNIK_PROVIDER ?? "docker",
    edge: required("PERIGEE_EDGE"),
    ...(process.env.PERIGEE_UNIK_ROOT && { ownPort: process.env.PERIGEE_UNIK_ROOT }),
    stop: async () => {},
  };
}

async function own(): Promise<Deployment> {
  const engine = await findEngine();
  if (!("version" in engine)) throw new Error(`a deployment needs a Docker engine: ${engine.detail}`);
  await ensureToolchainPackages((line) => console.error(`toolchains: ${line}`));
  const toolchains = await makeToolchainImages(clientFor(engine.host));
  const directory = mkdtempSync(join(tmpdir(), "perigee-unik-"));
  const config = join(directory, "agent.json");
  writeFileSync(config, JSON.stringify({ toolchains, usageMs: 1000 }));
  const started = await startOwnDeployment({
    PERIGEE_DIALECTS: "em,unik",
    PERIGEE_UNIK_PORT: "0",
    PERIGEE_AGENT_CONFIG: config,
  });
  const { url: ground, user, other, listeners } = started;
  return {
    ...{ ground, url: `${ground}/unik`, user, other, edge: EDGE, provider: "docker" },
    ...(listeners.unik !== undefined && { ownPort: listeners.unik }),
    tools: Object.keys(toolchains),
    async stop() {
      await started.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** What the edge says it can do, as soon as it has said so. */
async function offered({ url, user }: Pick<UnikTarget, "url" | "user">): Promise<string[]> {
  const client = new UnikClient(url, basic(user));
  for (;;) {
    const answer = await client.get("/available_compilers");
    if (answer.status !== 200) throw new Error(`available_compilers: ${answer.status} ${answer.text}`);
    if (answer.json.length > 0) return answer.json;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`PERIGEE_URL is set, so ${name} must be too`);
  return value;
}
