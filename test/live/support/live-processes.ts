import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SqliteStore } from "#lambdas/adapters/sqlite/store.ts";
import { Accounts } from "#lambdas/auth/accounts.ts";
import { operatorTokens } from "#lambdas/operator-tokens.ts";
import { PoseidonClient } from "#test/contract/poseidon/support/client.ts";
import { program } from "#test/support/programs.ts";
import { cleanEngine } from "../../../scripts/clean-engine.ts";
import { clientFor, findEngine } from "../../../scripts/docker-engine.ts";
import { makeRunnerImage, RUNNER_IMAGE } from "../../../scripts/runner-image.ts";
import { startStack } from "../../../scripts/stack.ts";

export type LiveProcesses = Awaited<ReturnType<typeof startLiveProcesses>>;

/** Ground and agent as processes of their own, on this machine's engine, with a user who has a token and one runner. */
export async function startLiveProcesses() {
  const engine = await findEngine();
  if (!("version" in engine)) throw new Error(`runners need a Docker engine: ${engine.detail}`);
  const docker = clientFor(engine.host);
  await makeRunnerImage(docker);
  const data = mkdtempSync(join(tmpdir(), "perigee-live-processes-"));
  const lines: string[] = [];
  const password = randomBytes(15).toString("base64url");
  const clean = async () => {
    await cleanEngine(docker, join(data, "agent"));
    rmSync(data, { recursive: true, force: true });
  };
  try {
    const stack = await startStack({
      data,
      host: "127.0.0.1",
      port: 0,
      user: "ada",
      password,
      dockerHost: engine.host,
      env: { PERIGEE_LOG_LEVEL: "trace" },
      programs: { ground: program("server"), agent: program("agent") },
      onLine: (_, line) => lines.push(line),
    });
    const store = new SqliteStore(join(data, "ledger.sqlite"));
    const { uid } = (await new Accounts(store).getUser("ada"))!;
    const token = await operatorTokens(store, "poseidon").add({
      name: "t",
      user: "ada",
      uid,
      createdAt: Date.now(),
    });
    await store.close();
    const client = new PoseidonClient(`${stack.url}/api/v1`, token);
    const body = { image: RUNNER_IMAGE, prewarmingPoolSize: 1, memoryLimit: 256 };
    await client.body("PUT", "/execution-environments/1", body);
    return {
      url: stack.url,
      data,
      password,
      token,
      client,
      /** every line that the two processes have logged */
      lines,
      pids: { ground: stack.ground.pid, agent: stack.agent.pid },
      async bearer(): Promise<string> {
        const body = new URLSearchParams({ username: "ada", password });
        const answer = await fetch(`${stack.url}/auth/`, { method: "POST", body });
        return ((await answer.json()) as { access: string }).access;
      },
      /** @returns the path of a runner of its own */
      async runner(): Promise<string> {
        const init = { body: JSON.stringify({ executionEnvironmentId: 1 }), headers: { prefer: "wait=60" } };
        for (;;) {
          const answer = await client.send("POST", "/runners", init);
          if (answer.status === 200) return `/runners/${answer.json.runnerId}`;
          // a machine that does much else takes longer
          if (!answer.text.includes("no runners available")) throw new Error(answer.text);
        }
      },
      /** Ends both processes; what they have written stays until stop(). */
      end: () => stack.stop(),
      async stop() {
        await stack.stop();
        await clean();
      },
    };
  } catch (error) {
    await clean();
    throw error;
  }
}
