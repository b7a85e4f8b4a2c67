import { cpSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { OperationHandlers } from "#agent/operation.ts";
import { NetworkRig, until } from "./support/network-rig.ts";

const rig = new NetworkRig();
beforeEach(() => rig.begin());
afterEach(() => rig.end());

describe("a superseded agent", () => {
  /** An agent in the middle of a command; then a second one is started, with a copy of its state or its own. */
  async function twoAgents(operation: "nodes.status" | "file.delete", copied: boolean) {
    const reached = rig.gate();
    const go = rig.gate();
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
    const old = await rig.start(handlers("old"));
    const call = operation === "nodes.status" ? rig.alice.fetch("/em/nodes/status") : rig.destroy("x");
    await reached.passed;
    if (copied) cpSync(join(rig.world.data, "agent"), join(rig.world.data, "second"), { recursive: true });
    const [running] = await rig.world.ground.ledger.commands("alice", { limit: 1 });
    return {
      old,
      call,
      id: running!.id,
      go,
      second: () => rig.start(handlers("new"), { state: join(rig.world.data, "second") }),
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
    const before = await rig.command(id);
    go.open();
    await expect(old.running).rejects.toThrow("newer agent");
    expect(await rig.command(id)).toEqual(before);
    expect((await rig.destroy("y")).status).toBe(200);
  });

  test("none of its words lands", async () => {
    const { old, call, id, go } = await twoAgents("nodes.status", true);
    const hold = rig.gate();
    const next = await rig.start(
      {
        "nodes.status": async () => {
          await hold.passed;
          return { nodes: [] };
        },
      },
      { state: join(rig.world.data, "second") },
    );
    await until(async () => ((await rig.command(id)).epoch === next.epoch ? true : undefined));
    const state = async () =>
      JSON.stringify([
        await rig.command(id),
        await rig.world.ground.ledger.lane("em1"),
        await rig.world.ground.ledger.lastHeartbeat("em1"),
        await rig.world.ground.runs.current("em1", "alice"),
        await rig.world.ground.staging.list("logs/"),
        await rig.world.ground.staging.list("downlink/"),
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
    const reached = rig.gate();
    const go = rig.gate();
    const reading = (text: string, before: () => Promise<void>): Partial<OperationHandlers> => ({
      "volume.read": async ({ store }) => {
        await before();
        const content = await store(0, Buffer.from(text), 100);
        return { kind: "file", name: "f", total: text.length, etag: '"e"', modified: 0, content };
      },
    });
    const old = await rig.start(
      reading("from the old", async () => {
        reached.open();
        await go.passed;
      }),
    );
    const read = () =>
      rig.alice.fetch("/em/files/downlink?filepath=f", { headers: { "idempotency-key": "kept" } });
    const call = read();
    await reached.passed;
    const [running] = await rig.world.ground.ledger.commands("alice", { limit: 1 });
    const of = { epoch: old.epoch, user: "alice", command: running!.id };
    const { put } = await old.ground.urls({ ...of, put: [{ n: 0, maxBytes: 100 }] });
    await rig.start(
      reading("from the new", async () => {}),
      { state: join(rig.world.data, "second") },
    );
    expect(await (await call).text()).toBe("from the new");
    await old.ground.put(put[0]!, Buffer.from("from the old"), AbortSignal.timeout(30_000));
    expect(await (await read()).text()).toBe("from the new");
    go.open();
    await expect(old.running).rejects.toThrow("newer agent");
  });
});
