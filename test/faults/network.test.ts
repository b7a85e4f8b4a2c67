import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Fault } from "./support/faulty-proxy.ts";
import { edge, NetworkRig, silence, until } from "./support/network-rig.ts";

const rig = new NetworkRig();
beforeEach(() => rig.begin());
afterEach(() => rig.end());

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
      const met = Promise.all(
        faults.map((fault) => rig.proxy.fault(words[word as keyof typeof words], fault)),
      );
      const long = word === "progress" || word === "doorbell";
      await rig.start(
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
      const uplinked = await rig.alice.uplink({ a: "1", "d/b": "2" });
      expect(await uplinked.json()).toMatchObject({ data: { file_count: 2 } });
      expect(await (await rig.destroy("x")).json()).toEqual({ message: "File deleted successfully" });
      const downlinked = await rig.alice.fetch("/em/files/downlink?filepath=f");
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
      const { data } = (await (await rig.alice.fetch("/commands")).json()) as { data: { state: string }[] };
      expect(data.map(({ state }) => state)).toEqual(["succeeded", "succeeded", "succeeded"]);
    },
  );

  test.each([
    ["claim", "request lost"],
    ["doorbell", "answer lost"],
  ] as const)("%s: %s three times while the agent idles", async (word, fault) => {
    const { effects, handlers } = edge();
    await rig.start(handlers, { loop: { pollMs: 14_000 } });
    await until(async () => (rig.proxy.seen.at(-1)?.includes("doorbell") ? true : undefined));
    const met = rig.proxy.fault(words[word], fault, 3);
    // a poll that is under way already is not what goes wrong
    expect((await rig.destroy("x")).status).toBe(200);
    if (word === "claim") await met;
    expect((await rig.destroy("y")).status).toBe(200);
    expect(effects).toEqual(["delete x", "delete y"]);
  });

  test("now this, now that, for many commands: each is done once", async () => {
    const { effects, handlers } = edge();
    for (const word of [words.claim, words.report, words.urls, words["a file to the edge"]]) {
      for (const [i, fault] of faults.entries())
        void rig.proxy.fault(word, fault, Number.POSITIVE_INFINITY, [5, 7, 11][i]);
    }
    await rig.start(handlers);
    const names = Array.from({ length: 12 }, (_, i) => `f${i}`);
    const calls = names.flatMap((name) => [
      rig.destroy(name, { prefer: "wait=60" }),
      ...(name < "f2" ? [rig.alice.uplink({ [name]: name }, {}, { prefer: "wait=60" })] : []),
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
    await rig.end();
    await rig.begin({ waiting: { withdrawMs: 2000 } });
    const { effects, handlers } = edge();
    await rig.start(handlers, { loop: { pollMs: 14_000 } });
    await until(async () => (rig.proxy.seen.at(-1)?.includes("doorbell") ? true : undefined));
    const met = rig.proxy.fault(/claim/, "answer held");
    const call = rig.destroy("x");
    await met;
    // claimed on the ground, so it is not withdrawn although the agent knows nothing of it yet
    const [listed] = await until(async () => {
      const all = await rig.world.ground.ledger.commands("alice", { limit: 1 });
      return all[0]?.state === "running" ? all : undefined;
    });
    // longer than any call waits for its claim
    const seen = await rig.alice.fetch(`/commands/${listed!.id}?wait=3`);
    expect(await seen.json()).toMatchObject({ data: { state: "running" } });
    rig.proxy.release();
    expect((await call).status).toBe(200);
    expect(effects).toEqual(["delete x"]);
  });

  test("a claim that is late itself: the call is withdrawn and never runs", async () => {
    await rig.end();
    await rig.begin({ waiting: { withdrawMs: 300 } });
    const { effects, handlers } = edge();
    const met = rig.proxy.fault(/claim/, "request held");
    await rig.start(handlers);
    await met;
    expect((await rig.destroy("x")).status).toBe(503);
    rig.proxy.release();
    expect((await rig.destroy("y", { prefer: "wait=60" })).status).toBe(200);
    expect(effects).toEqual(["delete y"]);
  });

  test("a report that is late holds the lock until it is there", async () => {
    const { effects, handlers } = edge();
    const met = rig.proxy.fault(/report/, "request held");
    await rig.start(handlers);
    const call = rig.destroy("x");
    await met;
    expect((await rig.destroy("y")).status).toBe(423);
    rig.proxy.release();
    expect((await call).status).toBe(200);
    expect((await rig.destroy("y")).status).toBe(200);
    expect(effects).toEqual(["delete x", "delete y"]);
  });
});

describe("the doorbell", () => {
  test.each([
    ["silent", { wait: (ms: number, signal?: AbortSignal) => silence(ms, signal) }],
    ["ringing all the time", { wait: async () => true }],
  ])("%s: every command once", async (_, doorbell) => {
    const { effects, handlers } = edge();
    await rig.start(handlers, { doorbell });
    const names = Array.from({ length: 10 }, (_, i) => `f${i}`);
    const answers = await Promise.all(names.map((name) => rig.destroy(name, { prefer: "wait=60" })));
    expect(answers.map(({ status }) => status)).toEqual(names.map(() => 200));
    expect([...effects].sort()).toEqual(names.map((name) => `delete ${name}`).sort());
  });

  test("a command that nobody rings for arrives by itself", async () => {
    const { effects, handlers } = edge();
    await rig.start(handlers);
    const { command: written } = await rig.world.ground.ledger.submit(
      {
        user: "alice",
        edge: "em1",
        operation: "file.delete",
        input: { volume: "default", path: "x" },
      },
      "queue",
    );
    await until(async () => ((await rig.command(written.id)).state === "succeeded" ? true : undefined));
    expect(effects).toEqual(["delete x"]);
  });
});
