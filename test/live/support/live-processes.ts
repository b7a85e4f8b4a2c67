import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PoseidonClient } from "#test/contract/poseidon/support/client.ts";
import { makeTokens } from "#test/contract/poseidon/support/make-tokens.ts";
import { program } from "#test/support/programs.ts";
import { cleanEngine } from "../../../scripts/clean-engine.ts";
import { clientFor, findEngine } from "../../../scripts/docker-engine.ts";
import { makeRunnerImage, RUNNER_IMAGE } from "../../../scripts/runner-image.ts";
import { type Stack, startStack } from "../../../scripts/stack.ts";

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
  let stack: Stack | undefined;
  try {
    const started = await startStack({
      data,
      host: "127.0.0.1",
      port: 0,
      user: "ada",
      password,
      dockerHost: engine.host,
      // V8 gives what is young up to 64 MiB, the sooner the busier the machine: growth is to be what is kept
      env: { PERIGEE_LOG_LEVEL: "trace", NODE_OPTIONS: "--max-semi-space-size=2" },
      programs: { ground: program("server"), agent: program("agent") },
      onLine: (_, line) => lines.push(line),
    });
    stack = started;
    const [token = ""] = await makeTokens(join(data, "ledger.sqlite"), ["ada"]);
    const client = new PoseidonClient(`${started.url}/api/v1`, token);
    const body = { image: RUNNER_IMAGE, prewarmingPoolSize: 1, memoryLimit: 256 };
    await client.body("PUT", "/execution-environments/1", body);
    return {
      url: started.url,
      data,
      password,
      token,
      client,
      /** every line that the two processes have logged */
      lines,
      pids: { ground: started.ground.pid, agent: started.agent.pid },
      async bearer(): Promise<string> {
        const body = new URLSearchParams({ username: "ada", password });
        const answer = await fetch(`${started.url}/auth/`, { method: "POST", body });
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
      end: () => started.stop(),
      async stop() {
        await started.stop();
        await clean();
      },
    };
  } catch (error) {
    await stack?.stop();
    await clean();
    throw error;
  }
}
