import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { clientFor, findEngine } from "../../../../scripts/docker-engine.ts";
import { makeRunnerImage, RUNNER_IMAGE } from "../../../../scripts/runner-image.ts";
import { acquire, release } from "../../support/started.ts";
import { makeTokens } from "./make-tokens.ts";
import type { PoseidonTarget } from "./target.ts";

/**
 * Gives Poseidon's contract suite tokens of two users of the deployment that the EM's suite asks too; of one that
 * PERIGEE_URL names PERIGEE_POSEIDON_TOKEN, PERIGEE_POSEIDON_TOKEN2 and PERIGEE_RUNNER_IMAGE.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  // what is onboard when the agent first starts is public
  if (!process.env.PERIGEE_URL) await makeImage();
  const started = await acquire();
  try {
    const { data } = started;
    const [token, other] = data
      ? await makeTokens(join(data, "ledger.sqlite"), [started.user.name, started.other.name])
      : [required("PERIGEE_POSEIDON_TOKEN"), required("PERIGEE_POSEIDON_TOKEN2")];
    const target: PoseidonTarget = {
      url: `${started.url}/api/v1`,
      image: process.env.PERIGEE_RUNNER_IMAGE || RUNNER_IMAGE,
      ...(data && { data, user: started.user.name }),
      token: token!,
      other: other!,
    };
    project.provide("poseidon", target);
    return release;
  } catch (error) {
    await release();
    throw error;
  }
}

async function makeImage(): Promise<void> {
  const engine = await findEngine();
  if ("version" in engine) await makeRunnerImage(clientFor(engine.host));
}

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`PERIGEE_URL is set, so ${name} must be too`);
  return value;
}
