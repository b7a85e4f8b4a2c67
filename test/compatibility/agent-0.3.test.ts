import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { operatorTokens } from "#lambdas/operator-tokens.ts";
import { PoseidonClient } from "#test/contract/poseidon/support/client.ts";
import { program } from "#test/support/programs.ts";
import { makeWorld, type UserClient, type World } from "#test/support/world.ts";
import { Child } from "../../scripts/child.ts";
import { cleanEngine } from "../../scripts/clean-engine.ts";
import { clientFor, findEngine } from "../../scripts/docker-engine.ts";
import { serveThirdGround } from "./support/third-ground.ts";

let world: World;
let alice: UserClient;
let client: PoseidonClient;
beforeAll(async () => {
  world = await makeWorld();
  alice = await world.user("alice");
  const { uid } = (await world.ground.accounts.getUser("alice"))!;
  const tokens = operatorTokens(world.ground.store, "poseidon");
  const token = await tokens.add({ name: "t", user: "alice", uid, createdAt: Date.now() });
  client = new PoseidonClient(`${world.url}/api/v1`, token);
});
afterAll(() => world?.close());

const RUNNER = "/runners/1-00000000-0000-4000-8000-000000000000";

describe("an agent of version 0.3, without live sessions and runners", () => {
  test("does the EM's work, and what it cannot do is refused as decided", async () => {
    const deleted: string[] = [];
    // its features are those of then: neither live sessions nor runners
    await world.agent({
      "file.delete": async ({ input }) => {
        deleted.push(input.path);
        return {};
      },
    });
    const remove = async (filepath: string) => {
      const body = new URLSearchParams({ filepath });
      return (await alice.fetch("/em/files/delete", { method: "POST", body })).status;
    };
    expect(await remove("a")).toBe(200);
    expect((await client.body("PUT", "/execution-environments/1", { prewarmingPoolSize: 2 })).status).toBe(
      201,
    );
    const handOut = await client.body("POST", "/runners", { executionEnvironmentId: 1 });
    expect([handOut.status, handOut.json.errorCode]).toEqual([500, "NOMAD_INTERNAL_SERVER_ERROR"]);
    // nothing of it exists, and that is told first
    expect((await client.get(`${RUNNER}/files`)).status).toBe(410);
    expect((await client.body("POST", `${RUNNER}/execute`, { command: "true" })).status).toBe(410);
    const run = "01JD6Z0V3E8T4Q5R6S7T8V9W0X";
    const state = { running: { startedAt: new Date().toISOString() } };
    await world.ground.runs.record("em1", [{ user: "alice", pod: "p", run, image: "i", node: "mpu", state }]);
    const exec = await alice.fetch("/pods/p/exec", {
      method: "POST",
      body: "{}",
      headers: { "content-type": "application/json" },
    });
    expect([exec.status, await exec.json()]).toMatchObject([503, { error: "LIVE_UNAVAILABLE" }]);
    const { json } = await client.get("/statistics/execution-environments");
    expect(json[1]).toMatchObject({ prewarmingPoolSize: 2, idleRunners: 0, usedRunners: 0 });
    expect((await client.delete("/execution-environments/1")).status).toBe(204);
    expect(await remove("b")).toBe(200);
    expect(deleted).toEqual(["a", "b"]);
  });
});

describe("this agent at a ground of version 0.3", () => {
  test("does the EM's work, asks for nothing that is not there twice, and ends cleanly", async () => {
    const engine = await findEngine();
    if (!("version" in engine)) throw new Error(`an agent needs a Docker engine: ${engine.detail}`);
    const ground = await serveThirdGround(world.url);
    const data = mkdtempSync(join(tmpdir(), "perigee-agent-at-0.3-"));
    await world.addEdge("em3");
    const tokenFile = join(data, "token");
    const { token } = await world.ground.accounts.rotateEdgeToken("em3");
    writeFileSync(tokenFile, token, { mode: 0o600 });
    const lines: string[] = [];
    const env = {
      ...process.env,
      DOCKER_HOST: engine.host,
      PERIGEE_GROUND: ground.url,
      PERIGEE_AGENT_TOKEN_FILE: tokenFile,
      PERIGEE_AGENT_DATA: join(data, "agent"),
    };
    const agent = await Child.start("agent", [program("agent")], env, (line) => void lines.push(line));
    try {
      await agent.ready;
      const bob = await world.user("bob", ["em3"]);
      expect((await bob.uplink({ a: "content" })).status).toBe(200);
      const file = await bob.fetch("/em/files/downlink?filepath=a");
      expect([file.status, await file.text()]).toEqual([200, "content"]);
      expect((await bob.fetch("/em/nodes/status")).status).toBe(200);
      // a ring and a claim for each of these commands: each could have asked again
      for (const what of ["live", "pool"]) {
        expect(ground.missed.filter((one) => one === what).length, what).toBeLessThanOrEqual(1);
      }
      expect(lines.filter((line) => /"level":[56]0/.test(line))).toEqual([]);
    } finally {
      expect(await agent.stop(60_000)).toEqual({ code: 0, signal: null });
      await ground.close(0);
      await cleanEngine(clientFor(engine.host), join(data, "agent"));
      rmSync(data, { recursive: true, force: true });
    }
  });
});
