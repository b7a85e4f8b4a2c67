import { cpSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { OperationHandlers } from "#agent/operation.ts";
import { makeWorld, gate as newGate, type UserClient, type World } from "#test/support/world.ts";
import { type Fault, FaultyProxy } from "./support/faulty-proxy.ts";
import { type InProcessAgent, type InProcessAgentOptions, startAgent } from "./support/in-process-agent.ts";

let world: World;
let alice: UserClient;
let proxy: FaultyProxy;
let clock = 0;
const agents: InProcessAgent[] = [];

beforeEach(() => begin());
afterEach(() => end());

async function begin(options: Parameters<typeof makeWorld>[0] = {}) {
  clock = 0;
  world = await makeWorld({ now: () => Date.now() + clock, freeFloorBytes: 0, ...options });
  alice = await world.user("alice");
  proxy = await FaultyProxy.start(world.url);
}

const gates: ReturnType<typeof newGate>[] = [];
/** Opened at the end of a test, whatever happened in it. */
function gate() {
  const made = newGate();
  gates.push(made);
  return made;
}

async function end() {
  for (const made of gates.splice(0)) made.open();
  proxy.release();
  await proxy.close();
  for (const agent of agents.splice(0)) await agent.stop();
  await world.close();
}

async function start(handlers: Partial<OperationHandlers>, options: Partial<InProcessAgentOptions> = {}) {
  const agent = await startAgent({
    url: proxy.url,
    token: world.agentToken,
    state: join(world.data, "agent"),
    handlers,
    ...options,
  });
  agents.push(agent);
  return agent;
}

const destroy = (filepath: string, headers: Record<string, string> = {}) =>
  alice.fetch("/em/files/delete", { method: "POST", headers, body: new URLSearchParams({ filepath }) });
const command = (id: string) => world.ground.ledger.command("alice", id);

/** What takes effect on this edge, in order. */
function edge() {
  const effects: string[] = [];
  const files: [string, string][] = [];
  const handlers: Partial<OperationHandlers> = {
    "volume.uplink": async ({ input, manifest, fetch }) => {
      for (const { n, path } of await manifest()) {
        const chunks: Buffer[] = [];
        for await (const chunk of await fetch(n)) chunks.push(chunk as Buffer);
        files.push([path, Buffer.concat(chunks).toString()]);
      }
      effects.push("uplink");
      return { count: input.count, bytes: input.bytes };
    },
    "file.delete": async ({ input }) => {
      effects.push(`delete ${input.path}`);
      return {};
    },
    "volume.read": async ({ store }) => {
      const content = await store(0, Buffer.from("downlinked"), 1000);
      return { kind: "file", name: "f", total: 10, etag: '"e"', modified: 0, content };
    },
  };
  return { effects, files, handlers };
}

describe("words that get lost between agent and ground", () => {
  const words = {
    start: /POST \/agent\/start/,
    heartbeat: /POST \/agent\/heartbeat/,
    claim: /POST \/agent\/claim/,
    urls: /POST \/agent\/urls/,
    progress: /POST \/agent\/progress/,
    doorbell: /GET \/agent\/doorbell/,
    report: /POST \/agent\/report/,
    "a file to the edge": /GET \/staging\//,
    "a file from the edge": /PUT \/staging\//,
  };
  const faults: Fault[] = ["request lost", "answer lost", "answer cut"];

  test.each(Object.keys(words))(
    "%s: lost on the way there, then its answer, then half of it",
    async (word) => {
      const { effects, files, handlers } = edge();
      // the first rule that matches counts: so each fault comes once, one after the other
      const met = Promise.all(faults.map((fault) => proxy.fault(words[word as keyof typeof words], fault)));
      const long = word === "progress" || word === "doorbell";
      await start(
        {
          ...handlers,
          "file.delete": async (context) => {
            if (long) await met;
            return handlers["file.delete"]!(context);
          },
        },
        // nothing rests on the poll: whoever loses the word has to say or ask it again
        { loop: { progressMs: 50, pollMs: 14_000 } },
      );
      const uplinked = await alice.uplink({ a: "1", "d/b": "2" });
      expect(await uplinked.json()).toMatchObject({ data: { file_count: 2 } });
      expect(await (await destroy("x")).json()).toEqual({ message: "File deleted successfully" });
      const downlinked = await alice.fetch("/em/files/downlink?filepath=f");
      expect({ status: downlinked.status, text: await downlinked.text() }).toEqual({
        status: 200,
        text: "downlinked",
      });
      await met;
      expect(effects).toEqual(["uplink", "delete x"]);
      expect(files).toEqual([
        ["a", "1"],
        ["d/b", "2"],
      ]);
      const { data } = (await (await alice.fetch("/commands")).json()) as { data: { state: string }[] };
      expect(data.map(({ state }) => state)).toEqual(["succeeded", "succeeded", "succeeded"]);
    },
  );

  test.each([
    ["claim", "request lost"],
    ["doorbell", "answer lost"],
  ] as const)("%s: %s three times while the agent idles", async (word, fault) => {
    const { effects, handlers } = edge();
    await start(handlers, { loop: { pollMs: 14_000 } });
    await until(async () => (proxy.seen.at(-1)?.includes("doorbell") ? true : undefined));
    const met = proxy.fault(words[word], fault, 3);
    // a poll that is under way already is not what goes wrong
    expect((await destroy("x")).status).toBe(200);
    if (word === "claim") await met;
    expect((await destroy("y")).status).toBe(200);
    expect(effects).toEqual(["delete x", "delete y"]);
  });

  test("now this, now that, for many commands: each is done once", async () => {
    const { effects, handlers } = edge();
    for (const word of [words.claim, words.report, words.urls, words["a file to the edge"]]) {
      for (const [i, fault] of faults.entries())
        void proxy.fault(word, fault, Number.POSITIVE_INFINITY, [5, 7, 11][i]);
    }
    await start(handlers);
    const names = Array.from({ length: 12 }, (_, i) => `f${i}`);
    const calls = names.flatMap((name) => [
      destroy(name, { prefer: "wait=60" }),
      ...(name < "f2" ? [alice.uplink({ [name]: name }, {}, { prefer: "wait=60" })] : []),
    ]);
    const answers = await Promise.all(calls);
    expect(answers.map(({ status }) => status)).toEqual(calls.map(() => 200));
    const expected = [
      ...names.map((name) => `delete ${name}`),
      ...calls.slice(names.length).map(() => "uplink"),
    ];
    expect([...effects].sort()).toEqual(expected.sort());
  });
});

describe("words that are late", () => {
  test("a claim whose answer is late: the call waits, and is done once", async () => {
    await end();
    await begin({ waiting: { withdrawMs: 2000 } });
    const { effects, handlers } = edge();
    await start(handlers, { loop: { pollMs: 14_000 } });
    await until(async () => (proxy.seen.at(-1)?.includes("doorbell") ? true : undefined));
    const met = proxy.fault(/claim/, "answer held");
    const call = destroy("x");
    await met;
    // claimed on the ground, so it is not withdrawn although the agent knows nothing of it yet
    const [listed] = await until(async () => {
      const all = await world.ground.ledger.commands("alice", { limit: 1 });
      return all[0]?.state === "running" ? all : undefined;
    });
    // longer than any call waits for its claim
    const seen = await alice.fetch(`/commands/${listed!.id}?wait=3`);
    expect(await seen.json()).toMatchObject({ data: { state: "running" } });
    proxy.release();
    expect((await call).status).toBe(200);
    expect(effects).toEqual(["delete x"]);
  });

  test("a claim that is late itself: the call is withdrawn and never runs", async () => {
    await end();
    await begin({ waiting: { withdrawMs: 300 } });
    const { effects, handlers } = edge();
    const met = proxy.fault(/claim/, "request held");
    await start(handlers);
    await met;
    expect((await destroy("x")).status).toBe(503);
    proxy.release();
    expect((await destroy("y", { prefer: "wait=60" })).status).toBe(200);
    expect(effects).toEqual(["delete y"]);
  });

  test("a report that is late holds the lock until it is there", async () => {
    const { effects, handlers } = edge();
    const met = proxy.fault(/report/, "request held");
    await start(handlers);
    const call = destroy("x");
    await met;
    expect((await destroy("y")).status).toBe(423);
    proxy.release();
    expect((await call).status).toBe(200);
    expect((await destroy("y")).status).toBe(200);
    expect(effects).toEqual(["delete x", "delete y"]);
  });
});

describe("the doorbell", () => {
  test.each([
    ["silent", { wait: (ms: number, signal?: AbortSignal) => silence(ms, signal) }],
    ["ringing all the time", { wait: async () => true }],
  ])("%s: every command once", async (_, doorbell) => {
    const { effects, handlers } = edge();
    await start(handlers, { doorbell });
    const names = Array.from({ length: 10 }, (_, i) => `f${i}`);
    const answers = await Promise.all(names.map((name) => destroy(name, { prefer: "wait=60" })));
    expect(answers.map(({ status }) => status)).toEqual(names.map(() => 200));
    expect([...effects].sort()).toEqual(names.map((name) => `delete ${name}`).sort());
  });

  test("a command that nobody rings for arrives by itself", async () => {
    const { effects, handlers } = edge();
    await start(handlers);
    const { command: written } = await world.ground.ledger.submit(
      {
        user: "alice",
        edge: "em1",
        operation: "file.delete",
        input: { volume: "default", path: "x" },
      },
      "queue",
    );
    await until(async () => ((await command(written.id)).state === "succeeded" ? true : undefined));
    expect(effects).toEqual(["delete x"]);
  });
});

describe("a superseded agent", () => {
  /** An agent in the middle of a command; then a second one is started, with a copy of its state or its own. */
  async function twoAgents(operation: "nodes.status" | "file.delete", copied: boolean) {
    const reached = gate();
    const go = gate();
    const handlers = (name: string): Partial<OperationHandlers> => ({
      "nodes.status": async () => {
        if (name === "old") {
          reached.open();
          await go.passed;
        }
        return { nodes: [{ name, status: "True" }] };
      },
      "file.delete": async () => {
        if (name === "old") {
          reached.open();
          await go.passed;
        }
        return {};
      },
    });
    const old = await start(handlers("old"));
    const call = operation === "nodes.status" ? alice.fetch("/em/nodes/status") : destroy("x");
    await reached.passed;
    if (copied) cpSync(join(world.data, "agent"), join(world.data, "second"), { recursive: true });
    const [running] = await world.ground.ledger.commands("alice", { limit: 1 });
    return {
      old,
      call,
      id: running!.id,
      go,
      second: () => start(handlers("new"), { state: join(world.data, "second") }),
    };
  }

  test.each([
    ["a copy of its state", true],
    ["a state of its own", false],
  ])("the second has %s: the answer is the second's, and the first stops", async (_, copied) => {
    const { old, call, go, second } = await twoAgents("nodes.status", copied);
    await second();
    go.open();
    await expect(old.running).rejects.toThrow("newer agent");
    expect(await (await call).json()).toMatchObject({ data: [{ name: "new" }] });
  });

  test("a change under another journal is given up, and the first one's success does not land", async () => {
    const { old, call, id, go, second } = await twoAgents("file.delete", false);
    await second();
    const answer = await call;
    expect({ status: answer.status, body: await answer.json() }).toMatchObject({
      status: 500,
      body: { error: "INTERRUPTED" },
    });
    const before = await command(id);
    go.open();
    await expect(old.running).rejects.toThrow("newer agent");
    expect(await command(id)).toEqual(before);
    expect((await destroy("y")).status).toBe(200);
  });

  test("none of its words lands", async () => {
    const { old, call, id, go } = await twoAgents("nodes.status", true);
    const hold = gate();
    const next = await start(
      {
        "nodes.status": async () => {
          await hold.passed;
          return { nodes: [] };
        },
      },
      { state: join(world.data, "second") },
    );
    await until(async () => ((await command(id)).epoch === next.epoch ? true : undefined));
    const state = async () =>
      JSON.stringify([
        await command(id),
        await world.ground.ledger.lane("em1"),
        await world.ground.ledger.lastHeartbeat("em1"),
        await world.ground.runs.current("em1", "alice"),
        await world.ground.staging.list("logs/"),
        await world.ground.staging.list("downlink/"),
      ]);
    const before = await state();
    const { epoch, ground } = old;
    const of = { epoch, user: "alice", command: id };
    const run = {
      user: "alice",
      pod: "p",
      run: id,
      image: "i",
      node: "n",
      state: { waiting: { reason: "r" } },
    };
    const words: [string, () => Promise<unknown>][] = [
      ["claim", () => ground.claim(epoch)],
      ["progress", () => ground.progress({ ...of, progress: { phase: "old" } })],
      ["succeeded", () => ground.report({ ...of, outcome: { state: "succeeded", result: { nodes: [] } } })],
      ["cancelled", () => ground.report({ ...of, outcome: { state: "cancelled" } })],
      ["urls", () => ground.urls({ ...of, put: [{ n: 0, maxBytes: 10 }] })],
      ["heartbeat", () => ground.heartbeat({ epoch, nodes: [], usage: { alice: 1e15 }, free: 0 })],
      ["pods", () => ground.pods({ epoch, pods: [run] })],
      ["logs", () => ground.logs({ epoch, user: "alice", pod: "p", run: id, seq: 0 }, Buffer.from("old"))],
    ];
    for (const [word, say] of words) {
      await expect(say(), word).rejects.toMatchObject({ code: "STALE_EPOCH" });
      expect(await state(), word).toBe(before);
    }
    go.open();
    await expect(old.running).rejects.toThrow("newer agent");
    hold.open();
    expect((await call).status).toBe(200);
  });

  test("what it still writes by a URL signed for it never reaches the user", async () => {
    const reached = gate();
    const go = gate();
    const reading = (text: string, before: () => Promise<void>): Partial<OperationHandlers> => ({
      "volume.read": async ({ store }) => {
        await before();
        const content = await store(0, Buffer.from(text), 100);
        return { kind: "file", name: "f", total: text.length, etag: '"e"', modified: 0, content };
      },
    });
    const old = await start(
      reading("from the old", async () => {
        reached.open();
        await go.passed;
      }),
    );
    const read = () =>
      alice.fetch("/em/files/downlink?filepath=f", { headers: { "idempotency-key": "kept" } });
    const call = read();
    await reached.passed;
    const [running] = await world.ground.ledger.commands("alice", { limit: 1 });
    const of = { epoch: old.epoch, user: "alice", command: running!.id };
    const { put } = await old.ground.urls({ ...of, put: [{ n: 0, maxBytes: 100 }] });
    await start(
      reading("from the new", async () => {}),
      { state: join(world.data, "second") },
    );
    expect(await (await call).text()).toBe("from the new");
    await old.ground.put(put[0]!, Buffer.from("from the old"), AbortSignal.timeout(30_000));
    expect(await (await read()).text()).toBe("from the new");
    go.open();
    await expect(old.running).rejects.toThrow("newer agent");
  });
});

describe("while contact is lost", () => {
  async function loseContact() {
    const hold = gate();
    const reached = gate();
    const { effects, handlers } = edge();
    const agent = await start({
      ...handlers,
      "file.delete": async (context) => {
        if (context.input.path === "x") {
          reached.open();
          await hold.passed;
        }
        return handlers["file.delete"]!(context);
      },
    });
    const call = destroy("x");
    await reached.passed;
    const queued = await destroy("queued", { prefer: "respond-async" });
    expect(queued.status).toBe(202);
    proxy.cut();
    clock += 91_000;
    const [second, first] = await world.ground.ledger.commands("alice", { limit: 2 });
    return { agent, hold, call, effects, id: first!.id, queuedId: second!.id };
  }

  test("EM routes answer 503, commands and edge still answer, and say so", async () => {
    const { hold, call, id } = await loseContact();
    const document = (await (await alice.fetch("/openapi.json")).json()) as {
      paths: Record<string, Record<string, unknown>>;
    };
    const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
      path.startsWith("/em/") && path !== "/em/pod/logs"
        ? Object.keys(methods).map((method) => [method.toUpperCase(), path] as const)
        : [],
    );
    expect(routes.length).toBeGreaterThan(15);
    const fields = {
      filepath: "f",
      dockerfile: "d",
      context: "c",
      image: "i",
      tarfile: "t",
      max_duration: "1",
      node: "MPU",
      pod_name: "p",
    };
    for (const [method, path] of routes) {
      const query = new URLSearchParams(fields);
      const body = new FormData();
      body.append("files", new Blob(["x"]), "x");
      const answer =
        path === "/em/files/uplink"
          ? await alice.fetch(path, { method, body })
          : method === "GET" || method === "HEAD"
            ? await alice.fetch(`${path}?${query}`, { method })
            : await alice.fetch(path, { method, body: query });
      expect([path, answer.status]).toEqual([path, 503]);
      if (method !== "HEAD") expect(await answer.json()).toMatchObject({ error: "EM_UNREACHABLE" });
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
    }
    const seen = await alice.fetch(`/commands/${id}`);
    expect(await seen.json()).toMatchObject({ data: { state: "running", contact: "lost" } });
    expect(await (await alice.fetch("/edge")).json()).toMatchObject({
      data: { contact: { state: "lost" }, busy: { command_id: id }, queued: 1 },
    });
    expect((await alice.fetch("/em/pod/logs?pod_name=p")).status).toBe(404);
    expect((await alice.fetch("/commands")).status).toBe(200);
    proxy.mend();
    hold.open();
    expect((await call).status).toBe(200);
  });

  test("nothing frees the lock, however long it takes; then the command ends as if nothing had been", async () => {
    const { agent, hold, call, effects, id, queuedId } = await loseContact();
    for (const hours of [1, 24, 24 * 30]) {
      clock += hours * 3600_000;
      await world.ground.janitor.round();
      expect(await world.ground.ledger.lane("em1")).toMatchObject({
        running: [{ id, claim: expect.any(Object) }],
        queue: [{ id: queuedId }],
      });
      expect(await command(id)).toMatchObject({ state: "running", attempts: 1 });
    }
    proxy.mend();
    await agent.beat();
    hold.open();
    expect((await call).status).toBe(200);
    await until(async () => ((await command(queuedId)).state === "succeeded" ? true : undefined));
    expect(effects).toEqual(["delete x", "delete queued"]);
  });

  test("only the operator's reset gives it up; what the agent says later changes nothing", async () => {
    const { hold, call, effects, id, queuedId } = await loseContact();
    const reset = await world.ground.ledger.resetEdge("em1");
    expect(reset).toMatchObject([{ id, state: "failed", failure: { code: "INTERRUPTED" } }]);
    const answer = await call;
    expect([answer.status, await answer.json()]).toMatchObject([500, { error: "INTERRUPTED" }]);
    const before = await command(id);
    proxy.mend();
    hold.open();
    await until(async () => ((await command(queuedId)).state === "succeeded" ? true : undefined));
    expect(await command(id)).toEqual(before);
    expect(effects).toEqual(["delete x", "delete queued"]);
  });
});

function silence(ms: number, signal?: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve(false);
    });
  });
}

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (const over = performance.now() + 90_000; ; await new Promise((done) => setTimeout(done, 20))) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > over) throw new Error("it does not come to pass");
  }
}
