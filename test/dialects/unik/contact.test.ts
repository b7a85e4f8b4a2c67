import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { StoredWindows } from "#lambdas/windows/stored-windows.ts";
import type { ClaimedCommand } from "#protocol/wire.ts";
import { formOf } from "./support/form-of.ts";
import { ended, PlayedEdge } from "./support/played-edge.ts";
import { type Answer, basic, PASSWORD, startUnikGround, type UnikGround } from "./support/unik-ground.ts";

let ground: UnikGround;
let edge: PlayedEdge;
const QUERY = "provider=docker&base=docker&lang=native";
const form = () => formOf([["tarfile", "x", "t"]]);
const run = (name?: string) => ({ body: JSON.stringify({ ImageName: "app", InstanceName: name }) });
const RUN = "/unik/instances/run";
const instances = async () =>
  JSON.parse((await ground.ada("GET", "/unik/instances")).text) as {
    Id: string;
    Name: string;
    State: string;
  }[];

beforeEach(async () => {
  ground = await startUnikGround();
  edge = new PlayedEdge(await ground.startAgent()).start();
  await ground.ada("POST", `/unik/images/app/create?${QUERY}`, form());
  await ground.ada("POST", RUN, run("one"));
});
afterEach(async () => {
  await edge.stop();
  await ground.stop();
});

describe("without contact", () => {
  it("reading routes answer, changing ones are 503 at once, until the next window, with nothing done", async () => {
    await edge.stop();
    const now = Date.now() + 120_000;
    ground.setClock(now);
    const windows = new StoredWindows({ store: ground.ground.store, now: () => now });
    const start = now + 3_600_000;
    await windows.change("em1", () => [{ start, end: start + 600_000, station: "S" }]);
    for (const path of [
      "images",
      "images/app",
      "instances",
      "instances/one",
      "volumes",
      "available_compilers",
    ]) {
      expect((await ground.ada("GET", `/unik/${path}`)).status).toBe(200);
    }
    for (const [method, path, sent] of [
      ["POST", RUN, run("two")],
      ["POST", `/unik/images/b/create?${QUERY}`, form()],
      ["DELETE", "/unik/images/app?force=true", {}],
      ["POST", "/unik/instances/one/stop", {}],
      ["DELETE", "/unik/instances/one?force=true", {}],
      ["POST", "/unik/volumes/v?provider=docker&size=1", {}],
      // what is no form is refused after that
      ["POST", `/unik/images/b/create?${QUERY}`, {}],
    ] as const) {
      const { status, text, headers } = await ground.ada(method, path, sent);
      expect([path, status, text]).toEqual([path, 503, "edge em1 is out of contact; nothing was done"]);
      expect(headers["retry-after"]).toBe("3600");
    }
    expect((await instances()).map(({ Name }) => Name)).toEqual(["one"]);
    expect(JSON.parse((await ground.ada("GET", "/unik/images")).text)).toHaveLength(1);
  });

  it("an edge that is heard of and takes nothing: after 15 s nothing was done, with files or without", async () => {
    await ground.ada("POST", "/unik/images/push/app");
    await edge.stop();
    const asked = [
      ["POST", RUN, run("two")],
      ["POST", `/unik/images/b/create?${QUERY}`, form()],
      ["POST", "/unik/volumes/v?provider=docker", form()],
      ["POST", "/unik/images/pull/app?provider=docker&force=true", {}],
    ] as const;
    const answers = await Promise.all(asked.map(([method, path, sent]) => ground.ada(method, path, sent)));
    expect(answers.map(({ status, text }) => [status, text])).toEqual(
      asked.map(() => [503, "edge em1 is out of contact; nothing was done"]),
    );
    expect((await instances()).map(({ Name }) => Name)).toEqual(["one"]);
    expect(JSON.parse((await ground.ada("GET", "/unik/images")).text)).toHaveLength(1);
    expect((await ground.ada("GET", "/unik/volumes")).text).toBe("[]");
    expect(await ground.core.staging.list("uplink/")).toEqual([]);
    const commands = await ground.core.commands.commands("ada", { limit: 4 });
    expect(commands.map(({ state }) => state)).toEqual(Array(4).fill("expired"));
  });

  it("that is lost when an instance has failed to start: why is told, and it goes when the edge is back", async () => {
    await edge.stop();
    const agent = await ground.startAgent();
    const answer = ground.ada("POST", RUN, run("fails"));
    let taken: ClaimedCommand | undefined;
    for (; !taken; await sleep(20)) [taken] = await agent.claim();
    const { id, user, input } = taken;
    const { pod, image } = input as { pod: string; image: string };
    await agent.report(taken, { state: "succeeded", result: {} });
    const state = ended(128, "StartError", false);
    await agent.pods([{ user, pod, run: id, image, node: "", state }]);
    const { status, text } = await answer;
    expect([status, text]).toEqual([422, "instance could not be started: StartError"]);
    expect((await instances()).find(({ Name }) => Name === "fails")).toMatchObject({ State: "error" });
    edge = new PlayedEdge(agent).start();
    const names = async () => (await instances()).map(({ Name }) => Name);
    await expect.poll(names, { timeout: 20_000 }).toEqual(["one"]);
  });

  it("who does not wait is answered by a command, which is done later", async () => {
    const sent = { ...run("later"), headers: { prefer: "respond-async" } };
    await edge.stop();
    const { status, headers } = await ground.ada("POST", RUN, sent);
    expect([status, headers.location]).toEqual([202, expect.stringMatching(/^\/commands\//)]);
    expect([headers["cache-control"], headers.location]).toEqual([
      "no-store",
      `/commands/${headers["perigee-command"]}`,
    ]);
    expect(await instances()).toContainEqual(expect.objectContaining({ Name: "later", State: "pending" }));
    edge = new PlayedEdge(await ground.startAgent()).start();
    while (
      !(await instances()).some(
        (one) => (one as { State?: string }).State === "running" && one.Name === "later",
      )
    )
      await sleep(20);
  });
});

/** A request whose connection is cut once its command is there. */
async function cut(method: string, path: string, body: string, operation: string, more = {}): Promise<void> {
  const request = http.request({
    host: "127.0.0.1",
    port: new URL(ground.url).port,
    method,
    path,
    headers: { authorization: basic("ada", PASSWORD), "content-length": Buffer.byteLength(body), ...more },
  });
  const closed = new Promise<void>((resolve) => {
    request.once("error", () => resolve()).once("close", () => resolve());
  });
  request.end(body);
  const isThere = async () => {
    const [newest] = await ground.core.commands.commands("ada", { limit: 1 });
    return newest?.operation === operation && newest.state === "queued";
  };
  while (!(await isThere())) await sleep(20);
  request.destroy();
  await closed;
  // the server, which is this process too, has its turns
  await sleep(50);
}

describe("repeats", () => {
  it("of a call whose answer nobody got are that call", async () => {
    const { body } = run();
    await edge.stop();
    await cut("POST", RUN, body, "pod.run");
    const repeats = Promise.all([1, 2, 3, 4, 5].map(() => ground.ada("POST", RUN, { body })));
    await sleep(50);
    edge = new PlayedEdge(await ground.startAgent()).start();
    const answers = await repeats;
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201, 201, 201]);
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect(await instances()).toHaveLength(2);
    // delivered: the next is another
    expect((await ground.ada("POST", RUN, { body })).status).toBe(201);
    expect(await instances()).toHaveLength(3);
  });

  for (const where of ["the same process", "another process"]) {
    it(`of a run whose instance was deleted since mean another, in ${where}`, async () => {
      const { body } = run("deleted");
      await edge.stop();
      await cut("POST", RUN, body, "pod.run");
      edge = new PlayedEdge(await ground.startAgent()).start();
      const runs = async () =>
        (await instances()).find(({ Name, State }) => Name === "deleted" && State === "running");
      await expect.poll(runs, { timeout: 20_000 }).toBeDefined();
      const first = await runs();
      if (where === "another process") {
        await edge.stop();
        await restart();
      }
      expect(
        (await ground.ada("DELETE", `/unik/instances/${first?.Id}?force=true`, { body: "null" })).status,
      ).toBe(204);
      const again = await ground.ada("POST", RUN, { body });
      expect(again.status).toBe(201);
      expect((JSON.parse(again.text) as { Id: string }).Id).not.toBe(first?.Id);
    });
  }

  it("of a deletion are the same deletion, and of another's name none", async () => {
    const path = "/unik/instances/one?force=true";
    await ground.ada("POST", RUN, run("one2"));
    await edge.stop();
    await cut("DELETE", path, "null", "pod.remove");
    const repeated = ground.ada("DELETE", path, { body: "null" });
    await sleep(20);
    edge = new PlayedEdge(await ground.startAgent()).start();
    expect((await repeated).status).toBe(204);
    expect((await ground.ada("DELETE", path, { body: "null" })).status).toBe(404);
    expect((await instances()).map(({ Name }) => Name)).toEqual(["one2"]);
  });
});

/** Another process at the same store. */
async function restart(): Promise<void> {
  await ground.stop({ keep: true });
  ground = await startUnikGround({ before: ground });
  edge = new PlayedEdge(await ground.startAgent()).start();
}

describe("repeats after a restart of the ground", () => {
  it("of a call whose answer nobody got are that call, and once it is got the next is another", async () => {
    const { body } = run();
    await edge.stop();
    await cut("POST", RUN, body, "pod.run");
    await restart();
    const answer = await ground.ada("POST", RUN, { body });
    expect(answer.status).toBe(201);
    const all = await instances();
    expect(all).toHaveLength(2);
    expect(all).toContainEqual(JSON.parse(answer.text));
    expect((await ground.ada("POST", RUN, { body })).status).toBe(201);
    expect(await instances()).toHaveLength(3);
    // delivered before that restart: another, too
    await edge.stop();
    await restart();
    expect((await ground.ada("POST", RUN, { body })).status).toBe(201);
    expect(await instances()).toHaveLength(4);
  });
});

describe("repeats with an Idempotency-Key, after a restart of the ground", () => {
  it("are those of the key: with another key the same request is another", async () => {
    const { body } = run();
    const keyed = (key: string) => ({ "idempotency-key": key });
    await edge.stop();
    await cut("POST", RUN, body, "pod.run", keyed("one"));
    await restart();
    const call = (key: string) => ground.ada("POST", RUN, { body, headers: keyed(key) });
    const [first, again] = [await call("one"), await call("one")];
    expect([first.status, again.text]).toEqual([201, first.text]);
    expect((await call("two")).status).toBe(201);
    expect(await instances()).toHaveLength(3);
  });
});

describe("repeats of what could not start, after a restart of the ground", () => {
  const FAILED = [422, "START_FAILED", "instance could not be started: StartError"];
  const told = ({ status, headers, text }: Answer) => [status, headers["perigee-error"], text];
  /** An edge at which nothing starts. */
  const failing = async () => {
    const one = new PlayedEdge(await ground.startAgent());
    one.starts = ended(128, "StartError", false);
    return one.start();
  };

  it("are told why, of a run that the process before has removed for it, and run nothing again", async () => {
    const { body } = run("fails");
    await edge.stop();
    await cut("POST", RUN, body, "pod.run");
    edge = await failing();
    await expect.poll(() => edge.inputs("pod.remove").length, { timeout: 20_000 }).toBe(1);
    await edge.stop();
    await restart();
    expect(told(await ground.ada("POST", RUN, { body }))).toEqual(FAILED);
    expect(edge.inputs("pod.run")).toEqual([]);
    expect((await instances()).map(({ Name }) => Name)).toEqual(["one"]);
    // told: the next is another
    expect((await ground.ada("POST", RUN, { body })).status).toBe(201);
  });

  it("are told why, of a run that the edge has only taken since", async () => {
    const { body } = run("fails");
    await edge.stop();
    await cut("POST", RUN, body, "pod.run");
    await ground.stop({ keep: true });
    ground = await startUnikGround({ before: ground });
    edge = await failing();
    expect(told(await ground.ada("POST", RUN, { body }))).toEqual(FAILED);
    expect(edge.inputs("pod.run")).toHaveLength(1);
    expect((await instances()).map(({ Name }) => Name)).toEqual(["one"]);
  });

  it("are told why, of a start, which is not done again", async () => {
    const start = "/unik/instances/one/start";
    expect((await ground.ada("POST", "/unik/instances/one/stop")).status).toBe(200);
    await edge.stop();
    await cut("POST", start, "null", "pod.run");
    edge = await failing();
    const state = async () => (await instances()).map(({ State }) => State);
    await expect.poll(state, { timeout: 20_000 }).toEqual(["error"]);
    await edge.stop();
    await restart();
    expect(told(await ground.ada("POST", start, { body: "null" }))).toEqual(FAILED);
    expect([edge.inputs("pod.run"), await state()]).toEqual([[], ["error"]]);
    expect((await ground.ada("POST", start, { body: "null" })).status).toBe(200);
    expect(await state()).toEqual(["running"]);
  });
});

describe("repeats where nobody can tell whether an answer came, as behind a function URL", () => {
  /** Without a connection of Node's. */
  const blind = async (method: string, path: string, body: string) => {
    const headers = { authorization: basic("ada", PASSWORD) };
    const answer = await ground.ground.app.request(path, { method, headers, body });
    return { status: answer.status, text: await answer.text() };
  };

  it("get the answer for five seconds, and mean another after that", async () => {
    const first = await blind("POST", RUN, run("named").body);
    expect(first.status).toBe(201);
    expect(await blind("POST", RUN, run("named").body)).toEqual(first);
    const path = "/unik/instances/named?force=true";
    for (let n = 0; n < 2; n++) expect((await blind("DELETE", path, "null")).status).toBe(204);
    ground.setClock(Date.now() + 6_000);
    expect((await blind("DELETE", path, "null")).status).toBe(404);
    ground.setClock(undefined);
  });

  it("of a run without a name are always another", async () => {
    const { body } = run();
    for (let n = 0; n < 2; n++) expect((await blind("POST", RUN, body)).status).toBe(201);
    expect(await instances()).toHaveLength(3);
  });
});

describe("an Idempotency-Key", () => {
  it("is of one request: its repeats are that one, though what it has done refuses another", async () => {
    const sent = (key: string) => ({ ...run("keyed"), headers: { "idempotency-key": key } });
    const first = await ground.ada("POST", RUN, sent("k"));
    const again = await ground.ada("POST", RUN, sent("k"));
    expect([first.status, again.status, again.text]).toEqual([201, 201, first.text]);
    expect((await ground.ada("POST", RUN, sent("other"))).status).toBe(409);
    const reused = { ...run("third"), headers: { "idempotency-key": "k" } };
    expect((await ground.ada("POST", RUN, reused)).status).toBe(422);
    expect(await instances()).toHaveLength(2);
  });
});

describe("bounds", () => {
  it("no more than 16 instances run", async () => {
    const made = await Promise.all(
      Array.from({ length: 15 }, (_, n) => ground.ada("POST", RUN, run(`n${n}`))),
    );
    expect(new Set(made.map(({ status }) => status))).toEqual(new Set([201]));
    const { status, text } = await ground.ada("POST", RUN, run("more"));
    expect([status, text]).toEqual([
      429,
      "there are 16 instances that run or are pending already: at most 16 on one edge",
    ]);
  });

  it("of many calls for one name one gets it", async () => {
    const answers = await Promise.all(Array.from({ length: 6 }, () => ground.ada("POST", RUN, run("same"))));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409, 409]);
  });
});

describe("priority and expiry", () => {
  it("are those of the request's headers, on what it asks of the edge", async () => {
    const headers = { "perigee-priority": "9", "perigee-expires": "1h" };
    const answer = await ground.ada("POST", RUN, { ...run("first"), headers });
    expect(answer.status).toBe(201);
    const id = String(answer.headers["perigee-command"]);
    const command = await ground.ground.ledger.command("ada", id);
    expect(command).toMatchObject({ priority: 9, expiresAt: expect.any(Number) });
  });

  it("are refused where they are none, with nothing done", async () => {
    const headers = { "perigee-priority": "10" };
    const { status, text } = await ground.ada("POST", RUN, { ...run("never"), headers });
    expect([status, text]).toEqual([400, expect.stringContaining("Perigee-Priority")]);
    expect((await instances()).map(({ Name }) => Name)).toEqual(["one"]);
  });
});
