import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { SqliteStore } from "#lambdas/adapters/sqlite/store.ts";
import { Accounts } from "#lambdas/auth/accounts.ts";
import { operatorTokens } from "#lambdas/operator-tokens.ts";
import { clientFor, findEngine } from "../../../../scripts/docker-engine.ts";
import { makeRunnerImage, RUNNER_IMAGE } from "../../../../scripts/runner-image.ts";
import { acquire, release } from "../../support/started.ts";
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
    const target: PoseidonTarget = {
      url: `${started.url}/api/v1`,
      image: process.env.PERIGEE_RUNNER_IMAGE || RUNNER_IMAGE,
      ...(started.data && { data: started.data, user: started.user.name }),
      ...(started.data
        ? await makeTokens(started.data, [started.user.name, started.other.name])
        : { token: required("PERIGEE_POSEIDON_TOKEN"), other: required("PERIGEE_POSEIDON_TOKEN2") }),
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

async function makeTokens(data: string, users: readonly string[]): Promise<{ token: string; other: string }> {
  const store = new SqliteStore(join(data, "ledger.sqlite"));
  try {
    const accounts = new Accounts(store);
    const tokens = operatorTokens(store, "poseidon");
    const [token, other] = await Promise.all(
      users.map(async (name) => {
        const { uid } = (await accounts.getUser(name))!;
        return tokens.add({ name: `contract-${name}`, user: name, uid, createdAt: Date.now() });
      }),
    );
    return { token: token!, other: other! };
  } finally {
    await store.close();
  }
}

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`PERIGEE_URL is set, so ${name} must be too`);
  return value;
}
