import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { SqliteStore } from "#lambdas/adapters/sqlite-store.ts";
import { Accounts } from "#lambdas/auth/accounts.ts";
import { cleanEngine } from "../../../scripts/clean-engine.ts";
import { clientFor, findEngine } from "../../../scripts/docker-engine.ts";
import { EDGE } from "../../../scripts/prepare-data.ts";
import { startStack } from "../../../scripts/stack.ts";
import type { Client } from "./client.ts";
import { logIn } from "./log-in.ts";
import { type Credentials, LONG_RUNS, type Target } from "./target.ts";

const LOG_LINES = 60;

/**
 * Gives the contract suite something to speak to: the deployment that PERIGEE_URL names (with PERIGEE_USER,
 * PERIGEE_PASSWORD, PERIGEE_USER2, PERIGEE_PASSWORD2), else ground and agent of this tree, started as
 * `npm start` does, on a free port with data of their own, for the whole run.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const url = process.env.PERIGEE_URL?.replace(/\/+$/, "");
  const own = url ? undefined : await startOwn();
  try {
    const target: Target = {
      url: url ?? own!.url,
      user: own?.user ?? { name: required("PERIGEE_USER"), password: required("PERIGEE_PASSWORD") },
      other: own?.other ?? { name: required("PERIGEE_USER2"), password: required("PERIGEE_PASSWORD2") },
      image: process.env.PERIGEE_TEST_IMAGE || "busybox:latest",
      run: `c${randomBytes(3).toString("hex")}`,
    };
    const clients = await Promise.all([target.user, target.other].map((who) => logIn(target.url, who)));
    await startLongRuns(clients[0]!, target);
    project.provide("contract", target);
    return async () => {
      try {
        if (!own) for (const client of clients) await tidy(client, target.run);
      } finally {
        await own?.stop();
      }
    };
  } catch (error) {
    await own?.stop();
    throw error;
  }
}

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`PERIGEE_URL is set, so ${name} must be too`);
  return value;
}

async function startOwn() {
  const engine = await findEngine();
  if (!("version" in engine)) throw new Error(`the contract suite needs a Docker engine: ${engine.detail}`);
  const data = mkdtempSync(join(tmpdir(), "perigee-contract-"));
  const user: Credentials = { name: "client1", password: randomBytes(15).toString("base64url") };
  const other: Credentials = { name: "client2", password: randomBytes(15).toString("base64url") };
  const log: string[] = [];
  const clean = async () => {
    await cleanEngine(clientFor(engine.host), join(data, "agent"));
    rmSync(data, { recursive: true, force: true });
  };
  try {
    const stack = await startStack({
      data,
      host: "127.0.0.1",
      port: 0,
      user: user.name,
      password: user.password,
      dockerHost: engine.host,
      onLine: (child, line) => {
        log.push(`${child} | ${line}`);
        if (process.env.PERIGEE_TEST_LOG) console.error(log.at(-1));
      },
    });
    const store = new SqliteStore(join(data, "ledger.sqlite"));
    await new Accounts(store).addUser(other.name, other.password, { edges: [EDGE] });
    await store.close();
    return {
      url: stack.url,
      user,
      other,
      async stop() {
        const ended = await stack.stop();
        await clean();
        if (!ended) {
          throw new Error(`ground or agent did not end cleanly:\n${log.slice(-LOG_LINES).join("\n")}`);
        }
      },
    };
  } catch (error) {
    await clean();
    throw error;
  }
}

async function startLongRuns(client: Client, { run, image }: Target): Promise<void> {
  const note = "trap 'echo asked > /data/asked; exit 7' TERM; echo up; while :; do sleep 1; done";
  const runs: Record<string, string>[] = [
    { pod_name: LONG_RUNS.graceful, image, command: note },
    { pod_name: LONG_RUNS.deaf, image, command: "trap '' TERM; echo up; while :; do sleep 1; done" },
    { pod_name: LONG_RUNS.missing, image: `${run}-${LONG_RUNS.missing}` },
  ];
  for (const fields of runs) {
    const pod_name = `${run}-${fields.pod_name}`;
    const answer = await client.form("/em/pod/run", { node: "MPU", max_duration: 1, ...fields, pod_name });
    if (answer.status !== 200) throw new Error(`pod/run: ${answer.status} ${answer.text}`);
  }
}

/** Removes from a deployment that lives on what this run made there. */
async function tidy(client: Client, run: string): Promise<void> {
  const mine = (name: string) => name.startsWith(`${run}-`);
  for (const { pod_name } of (await client.get("/edge")).json.data.pods) {
    if (mine(pod_name)) await client.form("/em/pod/stop", { pod_name });
  }
  for (const { name } of (await client.get("/em/pvc/list")).json.data) {
    if (mine(name)) await client.form("/em/pvc/delete", { pvc_name: name });
  }
  for (const { name, tag } of (await client.get("/em/pod/image/list")).json.data) {
    if (mine(name)) await client.form("/em/pod/image/delete", { image: `${name}:${tag}` });
  }
}
