import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SqliteStore } from "#lambdas/adapters/sqlite/store.ts";
import { Accounts } from "#lambdas/auth/accounts.ts";
import { cleanEngine } from "../../scripts/clean-engine.ts";
import { clientFor, findEngine } from "../../scripts/docker-engine.ts";
import { EDGE } from "../../scripts/prepare-data.ts";
import { type Stack, type StackOptions, startStack } from "../../scripts/stack.ts";
import type { Credentials } from "../contract/support/target.ts";

const LOG_LINES = 60;

export type OwnDeployment = {
  url: string;
  /** addresses of what else the ground serves, by name */
  listeners: Record<string, string>;
  user: Credentials;
  other: Credentials;
  /** the ground's data */
  data: string;
  /** Ends both and removes everything. @throws Error with their last lines when one did not end cleanly */
  stop(): Promise<void>;
};

/**
 * Ground and agent of this tree as `npm start` starts them, on a free port, with the machine's engine, data of
 * their own and two users.
 * @param env further environment of both
 * @param programs files of both, where the sources are not meant
 */
export async function startOwnDeployment(
  env: NodeJS.ProcessEnv = {},
  programs?: StackOptions["programs"],
): Promise<OwnDeployment> {
  const engine = await findEngine();
  if (!("version" in engine)) throw new Error(`a deployment needs a Docker engine: ${engine.detail}`);
  const data = mkdtempSync(join(tmpdir(), "perigee-deployment-"));
  const user: Credentials = { name: "client1", password: randomBytes(15).toString("base64url") };
  const other: Credentials = { name: "client2", password: randomBytes(15).toString("base64url") };
  const log: string[] = [];
  const clean = async () => {
    await cleanEngine(clientFor(engine.host), join(data, "agent"));
    rmSync(data, { recursive: true, force: true });
  };
  let stack: Stack | undefined;
  try {
    const started = await startStack({
      data,
      host: "127.0.0.1",
      port: 0,
      user: user.name,
      password: user.password,
      dockerHost: engine.host,
      env,
      ...(programs && { programs }),
      onLine: (child, line) => {
        log.push(`${child} | ${line}`);
        if (process.env.PERIGEE_TEST_LOG) console.error(log.at(-1));
      },
    });
    stack = started;
    const store = new SqliteStore(join(data, "ledger.sqlite"));
    await new Accounts(store).addUser(other.name, other.password, { edges: [EDGE] });
    await store.close();
    return {
      url: started.url,
      listeners: started.listeners,
      user,
      other,
      data,
      async stop() {
        const ended = await started.stop();
        await clean();
        if (!ended) {
          throw new Error(`ground or agent did not end cleanly:\n${log.slice(-LOG_LINES).join("\n")}`);
        }
      },
    };
  } catch (error) {
    await stack?.stop();
    await clean();
    throw error;
  }
}
