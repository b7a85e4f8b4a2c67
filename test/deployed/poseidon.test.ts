import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { GroundClient } from "#agent/ground/ground-client.ts";
import { GroundSession } from "#agent/ground/ground-session.ts";
import type { RunnerReport } from "#protocol/pool-wire.ts";
import { runnerDigest } from "#protocol/runner-digest.ts";
import { RUNNERS_FEATURE } from "#protocol/runners.ts";
import type { Client } from "#test/contract/support/client.ts";
import { logIn } from "#test/contract/support/log-in.ts";
import { RUNNER_IMAGE } from "../../scripts/runner-image.ts";
import type { Answer, PoseidonClient } from "../contract/poseidon/support/client.ts";
import { connectExec, refusal } from "../live/support/exec-client.ts";
import { type LiveCloud, liveCloud } from "./support/live-cloud.ts";

const UNTIL_TERM = "trap 'exit 0' TERM; sleep 3600 & wait";
const PATIENT = { timeout: 120_000, interval: 100 };
const GONE = { message: "no runner found with this id" };
const UNREACHABLE = { status: 500, json: { errorCode: "NOMAD_UNREACHABLE" } };
const UNKNOWN = { status: 404, text: '{"message":"execution id unknown"}' };

let cloud: LiveCloud;
/** the user at the container that has the relay, at another one, and at the Lambdas */
let relay: PoseidonClient;
let second: PoseidonClient;
let lambda: Client;
let token: string;
/** a runner with a file, which outlives its relay */
let kept: string;
const directory = mkdtempSync(join(tmpdir(), "perigee-live-cloud-"));
beforeAll(async () => {
  cloud = await liveCloud(directory);
  const ada = await cloud.edge.user(`${cloud.edge.edge}a`);
  token = ada.poseidon;
  relay = cloud.at(cloud.first, token);
  second = cloud.at(cloud.second, token);
  lambda = await logIn(inject("deployed").url, ada);
});
afterAll(async () => {
  await cloud?.close();
  rmSync(directory, { recursive: true, force: true });
});

/** A runner of an environment, as soon as there is one. */
async function runner(of: PoseidonClient, executionEnvironmentId: number): Promise<string> {
  for (;;) {
    const body = JSON.stringify({ executionEnvironmentId });
    const answer = await of.send("POST", "/runners", { body, headers: { prefer: "wait=60" } });
    if (answer.status === 200) return `/runners/${answer.json.runnerId}`;
    // a machine that does much else takes longer
    expect(answer.json).toMatchObject({ errorCode: "NOMAD_OVERLOAD" });
  }
}

/** Where the execution is asked for is not where it is connected to. */
const elsewhere = (url: string, of: PoseidonClient) => {
  const { pathname, search } = new URL(url);
  return `${new URL(of.url).origin.replace(/^http/, "ws")}${pathname}${search}`;
};

const environment = (prewarmingPoolSize: number) => ({
  image: RUNNER_IMAGE,
  prewarmingPoolSize,
  memoryLimit: 256,
});

describe("Poseidon on the cloud's adapters: two containers, Lambdas, and a real agent", () => {
  test("what is put at one container is seen at the other, and filled by an agent of the Lambdas", async () => {
    const path = "/execution-environments/1";
    expect((await relay.body("PUT", path, environment(1))).status).toBe(201);
    expect((await second.body("PUT", path, environment(2))).status).toBe(204);
    const { json } = await relay.get(path);
    expect(json).toMatchObject({ id: 1, prewarmingPoolSize: 2 });
    expect((await second.get(path)).json).toEqual(json);
    for (const one of [relay, second]) {
      await expect
        .poll(async () => (await one.get("/statistics/execution-environments")).json[1], PATIENT)
        .toEqual({ id: 1, prewarmingPoolSize: 2, idleRunners: 2, usedRunners: 0 });
    }
  });

  test("an execution that one container permits is connected at the other, once", async () => {
    const path = await runner(second, 1);
    const url = await second.execute(path, { command: "echo hi; echo no >&2; exit 3" });
    const refused = second.connect(url);
    await refused.closed;
    // it has no relay, and the id is not used up
    expect(refused.refusal).toMatchObject({
      status: 500,
      text: expect.stringContaining("NOMAD_UNREACHABLE"),
    });
    const both = [relay, relay].map((one) => one.connect(elsewhere(url, one)));
    await Promise.all(both.map(({ closed }) => closed));
    const [ran, late] = both[0]!.refusal ? both.toReversed() : both;
    expect(late!.refusal).toEqual(UNKNOWN);
    expect(ran!.messages[0]).toEqual({ type: "start" });
    expect([ran!.text("stdout"), ran!.text("stderr"), ran!.end]).toEqual([
      "hi\r\n",
      "no\r\n",
      { type: "exit", data: 3 },
    ]);
    for (const one of [relay, second]) {
      const again = one.connect(elsewhere(url, one));
      await again.closed;
      expect(again.refusal).toEqual(UNKNOWN);
    }
  });

  test("files go through the container that has the relay; the other says that it cannot", async () => {
    kept = await runner(second, 1);
    expect((await relay.patch(kept, { "words.txt": "three small words\n" })).status).toBe(204);
    expect(names(await relay.get(`${kept}/files`))).toEqual(["./words.txt"]);
    const raw = await relay.get(`${kept}/files/raw?path=words.txt`);
    expect([raw.status, raw.text]).toEqual([200, "three small words\n"]);
    for (const answer of [
      await second.get(`${kept}/files`),
      await second.get(`${kept}/files/raw?path=words.txt`),
      await second.patch(kept, { "words.txt": "" }),
    ]) {
      expect(answer).toMatchObject(UNREACHABLE);
    }
  });

  test("a Lambda permits an execution in a pod, which is connected at the container, once", async () => {
    const pod = { pod_name: "live", image: RUNNER_IMAGE, node: "MPU", max_duration: 5 };
    expect((await lambda.form("/em/pod/run", { ...pod, command: UNTIL_TERM })).status).toBe(200);
    const state = async () => (await lambda.get("/em/pod/status", { pod_name: "live" })).json.data.state;
    await expect.poll(state, PATIENT).toHaveProperty("running");
    const body = JSON.stringify({ command: ["sh", "-c", "read a; echo $a-$B; exit 4"], env: { B: "b" } });
    const headers = { "content-type": "application/json" };
    const permit = () => lambda.request("POST", "/pods/live/exec", { headers, body });
    // the edge says so before the ground has its report
    await expect.poll(permit, PATIENT).toMatchObject({ status: 201 });
    const answer = await permit();
    expect([answer.status, answer.json]).toEqual([201, { url: expect.any(String), expires_in: 60 }]);
    const { url } = answer.json as { url: string };
    expect(url).toContain(`${cloud.front.url.replace("http", "ws")}/live?ticket=`);
    const unused = await refusal(elsewhere(url, second));
    expect(unused).toEqual({ status: 503, error: "LIVE_UNAVAILABLE" });
    const exec = await connectExec(url);
    exec.stdin("a\n");
    await exec.closed;
    expect([exec.stdout().toString(), exec.control.at(-1)]).toEqual(["a-b\n", { type: "exit", code: 4 }]);
    for (const at of [url, elsewhere(url, second)]) {
      expect(await refusal(at)).toEqual({ status: 404, error: "TICKET_NOT_FOUND" });
    }
    const newest = async () => (await lambda.get("/sessions")).json.data[0];
    await expect
      .poll(newest, PATIENT)
      .toMatchObject({ kind: "exec", pod: "live", end: { type: "exit" }, bytes_in: 2, bytes_out: 4 });
    expect((await lambda.form("/em/pod/stop", { pod_name: "live" })).status).toBe(200);
  });

  test("a Lambda does not serve Poseidon's API, and says where it is", async () => {
    const there = cloud.at(inject("deployed"), token);
    for (const path of ["/execution-environments", "/version", `${kept}/files`]) {
      const { status, json } = await there.get(path);
      expect([path, status, json]).toEqual([
        path,
        404,
        { message: expect.stringContaining(cloud.front.url) },
      ]);
    }
  });

  test("200 calls at two containers get exactly the 20 runners that were there", async () => {
    const edge = `${cloud.edge.edge}b`;
    const { token: agentToken } = await cloud.edge.addEdge(edge);
    const bob = await cloud.edge.user(edge, edge);
    const [one, other] = [cloud.first, cloud.second].map((container) => cloud.at(container, bob.poseidon));
    await one!.body("PUT", "/execution-environments/0", environment(20));
    const agent = new GroundClient({ url: cloud.second.url, token: agentToken });
    const start = async (features: string[]) => {
      const session = new GroundSession(agent);
      await session.start({ journal: "j", version: "9", operations: [], features });
      await session.heartbeat({ nodes: [], usage: {}, free: 1e12 });
      return session.epoch;
    };
    try {
      const epoch = await start([RUNNERS_FEATURE]);
      const { generation } = (await agent.wantedPools(epoch)).environments[0]!;
      const changed = Array.from({ length: 20 }, (): RunnerReport => {
        return { id: `0-${randomUUID()}`, user: edge, generation, state: "idle" };
      });
      await agent.tellPools({ epoch, digest: runnerDigest(changed), changed });
      const answers = await Promise.all(
        Array.from({ length: 200 }, (_, n) => (n % 2 ? one! : other!).body("POST", "/runners", "{}")),
      );
      const handed = answers.flatMap(({ status, json }) => (status === 200 ? [json.runnerId] : []));
      expect(handed.sort()).toEqual(changed.map(({ id }) => id).sort());
      const refused = answers.filter(({ status }) => status !== 200).map(({ json }) => json.errorCode);
      expect(refused).toEqual(Array(180).fill("NOMAD_OVERLOAD"));

      // an older agent takes the edge over: what it cannot do is told, all else answers
      await start([]);
      for (const client of [one!, other!]) {
        expect(await client.body("POST", "/runners", "{}")).toMatchObject({
          status: 500,
          json: { errorCode: "NOMAD_INTERNAL_SERVER_ERROR" },
        });
        expect((await client.body("PUT", "/execution-environments/0", environment(20))).status).toBe(204);
        expect((await client.get("/statistics/execution-environments")).json[0]).toMatchObject({
          idleRunners: 0,
        });
      }
    } finally {
      agent.close();
    }
  });

  test("a token that is removed is refused at both at once", async () => {
    const carol = await cloud.edge.user(`${cloud.edge.edge}c`);
    const clients = [cloud.first, cloud.second].map((container) => cloud.at(container, carol.poseidon));
    for (const client of clients) expect((await client.get("/execution-environments")).status).toBe(200);
    expect(await cloud.edge.tokens.remove(carol.name)).toBe(true);
    for (const client of clients) {
      const { status, text } = await client.get("/execution-environments");
      expect([status, text]).toEqual([401, ""]);
      const upgrade = client.connect(
        elsewhere("http://x/api/v1/runners/1-x/websocket?executionID=x", client),
      );
      await upgrade.closed;
      expect(upgrade.refusal).toEqual({ status: 401, text: "" });
    }
  });

  test("what is ended at one container is gone at the other from that moment", async () => {
    const path = await runner(relay, 1);
    const url = await relay.execute(path, { command: "true" });
    expect((await second.delete(path)).status).toBe(204);
    for (const one of [relay, second]) {
      for (const answer of [
        await one.delete(path),
        await one.get(`${path}/files`),
        await one.patch(path, { a: "" }),
        await one.body("POST", `${path}/execute`, "{}"),
      ]) {
        expect([answer.status, answer.json]).toEqual([410, GONE]);
      }
      const late = one.connect(elsewhere(url, one));
      await late.closed;
      expect(late.refusal).toEqual({ status: 410, text: JSON.stringify(GONE) });
    }
    const other = "/execution-environments/2";
    expect((await relay.body("PUT", other, environment(0))).status).toBe(201);
    // a pool of size 0 starts one when it is asked for, wherever it is asked
    const demanded = await runner(second, 2);
    expect((await relay.delete(other)).status).toBe(204);
    expect((await second.delete(demanded)).status).toBe(410);
    for (const answer of [await second.get(other), await second.delete(other)]) {
      expect([answer.status, answer.text]).toEqual([404, ""]);
    }
    const unknown = await second.body("POST", "/runners", { executionEnvironmentId: 2 });
    expect([unknown.status, unknown.json]).toEqual([
      404,
      { message: "runner could not be provided: unknown execution environment" },
    ]);
  });

  test("the relay's container is replaced: another takes over, runners and unused ids stay", async () => {
    const unused = await relay.execute(kept, { command: "cat words.txt" });
    const open = relay.connect(await relay.execute(kept, { command: "echo on; sleep 600" }));
    await open.until((execution) => execution.text("stdout") !== "");
    await cloud.first.stop();
    await open.closed;
    expect(open.end).toEqual({ type: "error", data: "Error executing the request" });
    cloud.front.target = cloud.second.url;
    await expect.poll(async () => (await second.get(`${kept}/files`)).status, PATIENT).toBe(200);
    const ran = second.connect(elsewhere(unused, second));
    await ran.closed;
    expect([ran.text("stdout"), ran.end]).toEqual(["three small words\r\n", { type: "exit", data: 0 }]);
    expect((await second.delete("/execution-environments/1")).status).toBe(204);
    expect((await second.get(`${kept}/files`)).status).toBe(410);
  });
});

/** Names of the files of a listing. */
const names = ({ json }: Answer) => json.files.map(({ name }: { name: string }) => name);
