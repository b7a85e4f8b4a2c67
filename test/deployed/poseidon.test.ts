import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import type { Client } from "#test/contract/support/client.ts";
import { logIn } from "#test/contract/support/log-in.ts";
import { RUNNER_IMAGE } from "../../scripts/runner-image.ts";
import type { PoseidonClient } from "../contract/poseidon/support/client.ts";
import { connectExec, refusal } from "../live/support/exec-client.ts";
import { type LiveCloud, liveCloud } from "./support/live-cloud.ts";

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
});
