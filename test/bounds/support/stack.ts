import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SqliteStore } from "#lambdas/adapters/sqlite/store.ts";
import { Accounts } from "#lambdas/auth/accounts.ts";
import type { Client } from "#test/contract/support/client.ts";
import { logIn } from "#test/contract/support/log-in.ts";
import { filesBeneath } from "#test/support/files-beneath.ts";
import { program } from "#test/support/programs.ts";
import { QUICK_PASSWORDS } from "#test/support/quick-passwords.ts";
import { cleanEngine } from "../../../scripts/clean-engine.ts";
import { clientFor } from "../../../scripts/docker-engine.ts";
import { startStack } from "../../../scripts/stack.ts";

/** The engine that the tests use; the global setup found it. */
export const docker = clientFor(process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock");

const USER = "ada";

export type BoundsStack = {
  url: string;
  /** pids of the two processes */
  ground: number;
  agent: number;
  client: Client;
  /** a further user, logged in */
  user(name: string): Promise<Client>;
  /** path of one of the first user's volumes on the disk of the edge */
  volume(name: string): string;
  /** files, at any depth, that lie in staging, whole or in part */
  staged(): string[];
  /** files, at any depth, that the edge holds beside the volumes: on their way in or out */
  comingAndGoing(): string[];
  stop(): Promise<void>;
};

/** Ground and agent as `npm start` runs them, two processes, in a directory of their own that goes with stop(). */
export async function startBoundsStack(
  options: {
    /** environment of both */
    env?: NodeJS.ProcessEnv;
    /** the agent's configuration */
    agent?: Record<string, unknown>;
    /** directory on the disk that holds everything (default: that of temporary files) */
    disk?: string;
  } = {},
): Promise<BoundsStack> {
  const scratch = mkdtempSync(join(options.disk ?? tmpdir(), "perigee-bounds-"));
  const data = join(scratch, "data");
  const agentData = join(data, "agent");
  const volumes = (options.agent?.volumes as string | undefined) ?? join(agentData, "volumes");
  mkdirSync(data, { mode: 0o700 });
  const config = join(scratch, "agent.json");
  writeFileSync(
    config,
    JSON.stringify({ publicImages: ["busybox:latest"], freeFloorBytes: 0, ...options.agent }),
  );
  const password = randomBytes(12).toString("hex");
  const stack = await startStack({
    data,
    host: "127.0.0.1",
    port: 0,
    user: USER,
    password,
    programs: { ground: program("server"), agent: program("agent") },
    env: { PERIGEE_LOG_LEVEL: "warn", ...options.env, PERIGEE_AGENT_CONFIG: config },
    onLine: (child, line) => {
      if (process.env.PERIGEE_TEST_LOG) console.error(`${child} | ${line}`);
    },
  }).catch((error: unknown) => {
    rmSync(scratch, { recursive: true, force: true });
    throw error;
  });
  return {
    url: stack.url,
    ground: stack.ground.pid,
    agent: stack.agent.pid,
    client: await logIn(stack.url, { name: USER, password }),
    async user(name) {
      // as the operator does it, beside the running ground
      const store = new SqliteStore(join(data, "ledger.sqlite"));
      const secret = randomBytes(12).toString("hex");
      await new Accounts(store, { passwordCost: QUICK_PASSWORDS }).addUser(name, secret);
      await store.close();
      return logIn(stack.url, { name, password: secret });
    },
    volume: (name) => join(volumes, USER, name),
    staged: () =>
      ["objects/uplink", "objects/downlink", "tmp"].flatMap((at) => filesBeneath(join(data, "staging", at))),
    comingAndGoing: () => [".incoming", ".trash"].flatMap((at) => filesBeneath(join(volumes, at))),
    async stop() {
      await stack.stop();
      await cleanEngine(docker, agentData);
      rmSync(scratch, { recursive: true, force: true });
    },
  };
}
