import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { endLeases } from "#lambdas/dialects/unik/lease.ts";
import { keys } from "#lambdas/dialects/unik/records.ts";
import { formOf } from "./support/form-of.ts";
import { ended, PlayedEdge } from "./support/played-edge.ts";
import { basic, PASSWORD, startUnikGround, type UnikGround } from "./support/unik-ground.ts";

let ground: UnikGround;
let edge: PlayedEdge;
beforeAll(async () => {
  ground = await startUnikGround();
  edge = new PlayedEdge(await ground.startAgent()).start();
  const form = formOf([["tarfile", "x", "t"]]);
  await ground.ada("POST", "/unik/images/app/create?provider=docker&base=docker&lang=native", form);
});
afterAll(async () => {
  await edge.stop();
  await ground.stop();
});

async function running(name: string, image = "app") {
  const body = JSON.stringify({ ImageName: image, InstanceName: name });
  const { text } = await ground.ada("POST", "/unik/instances/run", { body });
  const { Id } = JSON.parse(text) as { Id: string };
  const pod = `i${Id.toLowerCase()}`;
  let seq = 0;
  const { id: run } = edge.did.findLast(({ operation }) => operation === "pod.run")!;
  const of = { edge: "em1", user: "ada", pod };
  return {
    pod,
    log: (text: string, of_ = run) =>
      ground.core.podLogs.append({ ...of, run: of_, seq: seq++, data: Buffer.from(text) }),
  };
}

/** A stream that is read as it comes. */
function followed(path: string) {
  const came: Buffer[] = [];
  const { promise: end, resolve } = Promise.withResolvers<void>();
  const { promise: headers, resolve: tell } = Promise.withResolvers<http.IncomingHttpHeaders>();
  const request = http.get(
    {
      host: "127.0.0.1",
      port: new URL(ground.url).port,
      path,
      headers: { authorization: basic("ada", PASSWORD) },
    },
    (response) => {
      tell(response.headers);
      response
        .on("data", (piece: Buffer) => came.push(piece))
        .on("close", resolve)
        .on("error", () => {});
    },
  );
  request.on("error", () => resolve());
  const text = () => Buffer.concat(came).toString();
  return {
    end,
    headers,
    text,
    cut: () => request.destroy(),
    async has(wanted: string) {
      while (!text().includes(wanted)) await sleep(20);
    },
  };
}

const status = async (path: string) => (await ground.ada("GET", path)).status;
const line = (text: string) => `2026-11-20T12:00:00.000000000Z ${text}`;

it("a log is there at once, also of what has ended, behind its first line", async () => {
  const { pod, log } = await running("plain");
  await log(`${line("one")}\n${line("two")}\n`);
  const wanted = "getting logs for plai...\none\ntwo\n";
  const { text, headers } = await ground.ada("GET", "/unik/instances/plai/logs?delete=true");
  expect([text, headers["content-type"]]).toEqual([wanted, "text/plain; charset=utf-8"]);
  await edge.tell(pod, ended(1, "Error"));
  expect((await ground.ada("GET", "/unik/instances/plai/logs")).text).toBe(wanted);
  expect(await status("/unik/instances/none/logs?follow=true")).toBe(404);
});

it("what is followed comes line by line until the run has ended", async () => {
  const { pod, log } = await running("followed");
  const stream = followed("/unik/instances/followed/logs?fallow=True");
  expect((await stream.headers)["transfer-encoding"]).toBe("chunked");
  await stream.has("getting logs for followed...\n");
  await log(`${line("one")}\n${line("tw")}`);
  await stream.has("one\n");
  await stream.has("\0");
  expect(stream.text()).not.toContain("tw");
  await log("o");
  const told = vi.spyOn(ground.core.podLogs, "ended");
  await edge.tell(pod, ended(0, "Completed"));
  expect(told).toHaveBeenCalledWith(expect.objectContaining({ edge: "em1", user: "ada", pod }));
  await stream.end;
  expect(stream.text().replaceAll("\0", "")).toBe("getting logs for followed...\none\ntwo\n");
});

it("the log of the run before the last start is kept", async () => {
  const { pod, log } = await running("twice");
  await log(`${line("first")}\n`);
  await edge.tell(pod, ended(0, "Completed"));
  expect((await ground.ada("GET", "/unik/instances/twice/logs?previous=true")).text).toBe(
    "getting logs for twice...\n",
  );
  await ground.ada("POST", "/unik/instances/twice/start");
  const { id } = edge.did.findLast(({ operation }) => operation === "pod.run")!;
  await log(`${line("second")}\n`, id);
  expect((await ground.ada("GET", "/unik/instances/twice/logs")).text).toMatch(/\nsecond\n$/);
  expect((await ground.ada("GET", "/unik/instances/twice/logs?previous=true")).text).toMatch(/\nfirst\n$/);
});

const gone = async (name: string) => {
  while ((await status(`/unik/instances/${name}`)) === 200) await sleep(20);
};

it("delete=true takes the instance along when the connection is cut", async () => {
  await running("cut");
  const stream = followed("/unik/instances/cut/logs?follow=true&delete=true");
  await stream.has("getting logs");
  expect(await status("/unik/instances/cut")).toBe(200);
  stream.cut();
  await gone("cut");
  // whoever cuts it is no fault of ours
  expect(ground.lines).toEqual([]);
});

it("and when it is cut before its first line", async () => {
  await running("early");
  const { records } = ground.core;
  const transact = records.transact.bind(records);
  const { promise: asked, resolve: isAsked } = Promise.withResolvers<void>();
  const { promise: closed, resolve: goOn } = Promise.withResolvers<void>();
  // the lease is the last thing before the answer
  vi.spyOn(records, "transact").mockImplementationOnce(async (writes) => {
    isAsked();
    await closed;
    return transact(writes);
  });
  const stream = followed("/unik/instances/early/logs?follow=true&delete=true");
  await asked;
  stream.cut();
  await stream.end;
  // the server, which is this process too, has its turns
  await sleep(100);
  goOn();
  await gone("early");
});

it("and when the run has ended by itself", async () => {
  const { pod } = await running("ended");
  const stream = followed("/unik/instances/ended/logs?follow=true&delete=true");
  await stream.has("getting logs");
  await edge.tell(pod, ended(0, "Completed"));
  await stream.end;
  await gone("ended");
});

it("and when the ground that streamed has died", async () => {
  const { pod } = await running("left");
  const { core } = ground;
  const { uid } = (await ground.ground.accounts.getUser("ada"))!;
  const instance = pod.slice(1).toUpperCase();
  const of = { user: "ada", uid, edge: "em1", instance };
  await core.records.transact([
    { put: { ...keys.lease(instance), data: { ...of, at: core.now() - 110_000 } } },
  ]);
  await endLeases(core);
  expect(await status("/unik/instances/left")).toBe(200);
  await core.records.transact([
    { put: { ...keys.lease(instance), data: { ...of, at: core.now() - 130_000 } } },
  ]);
  await endLeases(core);
  await gone("left");
  expect(await core.records.get(keys.lease(instance))).toBeUndefined();
});

it("the log of an instance goes with it, whoever waits for its end, and what comes after that too", async () => {
  const { pod, log } = await running("logged");
  const { ground: made, core } = ground;
  const kept = async () => (await core.staging.list(`logs/em1/ada/${pod}/`)).length;
  await log(`${line("one")}\n`);
  const headers = { prefer: "respond-async" };
  const answer = await ground.ada("DELETE", "/unik/instances/logged?force=true", { headers });
  expect(answer.status).toBe(202);
  await gone("logged");
  await made.janitor.round();
  expect(await kept()).toBe(0);
  await log(`${line("late")}\n`);
  expect(await kept()).toBe(1);
  const of = { edge: "em1", user: "ada", pod };
  expect(await core.runs.find(of)).toHaveLength(1);
  ground.setClock(Date.now() + 61 * 60_000);
  await made.janitor.round();
  ground.setClock(undefined);
  expect([await kept(), await core.runs.find(of)]).toEqual([0, []]);
});

it("those of instances that go with their image, too", async () => {
  const form = formOf([["tarfile", "x", "t"]]);
  const query = "provider=docker&base=docker&lang=native";
  await ground.ada("POST", `/unik/images/other/create?${query}`, form);
  const { pod, log } = await running("within", "other");
  await log(`${line("one")}\n`);
  const headers = { prefer: "respond-async" };
  expect((await ground.ada("DELETE", "/unik/images/other?force=true", { headers })).status).toBe(202);
  while ((await status("/unik/images/other")) === 200) await sleep(20);
  await ground.ground.janitor.round();
  expect(await ground.core.staging.list(`logs/em1/ada/${pod}/`)).toEqual([]);
  expect(await ground.core.records.query({ pk: keys.left, limit: 10 })).toEqual([]);
});
