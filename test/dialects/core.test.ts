import { afterAll, beforeAll, expect, test } from "vitest";
import { FEATURES } from "#protocol/older-agents.ts";
import { startTinyGround, type TinyGround } from "./support/tiny-ground.ts";

let tiny: TinyGround;
let epoch: number;
beforeAll(async () => {
  tiny = await startTinyGround();
  const operations = ["nodes.status", "image.build"];
  const features = [FEATURES.buildSources];
  const started = await tiny.agent("start", { journal: "j", version: "t", operations, features });
  ({ epoch } = (await started.json()) as { epoch: number });
});
afterAll(() => tiny.stop());

const build = () =>
  tiny.core.dispatch.run({
    user: "ada",
    edge: "em1",
    lane: "tiny",
    operation: "image.build",
    input: { source: { volume: "v" }, dockerfile: "Dockerfile", context: "", image: "i" },
    admission: "queue",
    wait: { kind: "none" },
  });

async function push(command: string, seq: number, text: string, end = false) {
  const query = new URLSearchParams({
    epoch: String(epoch),
    user: "ada",
    command,
    seq: String(seq),
    end: end ? "1" : "0",
  });
  const answer = await fetch(`${tiny.url}/agent/command-logs?${query}`, {
    method: "PUT",
    headers: { authorization: `Bearer ${tiny.agentToken}` },
    body: text,
  });
  expect(answer.status).toBe(200);
}

test("rows of a command's log, by cursor, with a wait for those to come", async () => {
  const { command } = await build();
  const rows = (after: number, waitMs = 0) => tiny.core.commands.rows(command, { after, waitMs, limit: 10 });
  expect(await rows(0)).toMatchObject({ rows: [], next: 0, complete: false });
  const waiting = rows(0, 60_000);
  await push(command.id, 1, "one\ntwo\n");
  const first = await waiting;
  expect(first.rows.map(({ text }) => text)).toEqual(["one", "two"]);
  await push(command.id, 2, "three", true);
  const ended = await tiny.core.dispatch.cancel("ada", command.id);
  expect(ended.state).toBe("cancelled");
  expect(await rows(first.next)).toMatchObject({ rows: [{ text: "three" }], complete: true });
});

test("a command whose operation writes no log has no rows", async () => {
  const { command } = await tiny.core.dispatch.run({
    user: "ada",
    edge: "em1",
    lane: "tiny",
    operation: "nodes.status",
    input: {},
    admission: "queue",
    wait: { kind: "none" },
  });
  await expect(tiny.core.commands.rows(command, {})).rejects.toMatchObject({ code: "FILE_NOT_FOUND" });
  await tiny.core.dispatch.cancel("ada", command.id);
});

test("a wait for a command's end, which another request brings", async () => {
  const { command } = await build();
  const ended = tiny.core.commands.atMost(command, 60_000);
  await tiny.core.dispatch.cancel("ada", command.id);
  expect((await ended).state).toBe("cancelled");
});

test("what the edge reported last, with when that was", async () => {
  const { inventory } = tiny.core;
  expect(await inventory.images("em1", "ada")).toBeUndefined();
  const images = [{ name: "i", tag: "latest", id: "sha256:1", size: 5, created: 1_000 }];
  const report = { epoch, user: "ada", images, volumes: [], truncated: false };
  expect((await tiny.agent("inventory", report)).status).toBe(200);
  expect(await inventory.images("em1", "ada")).toMatchObject({ items: images, at: expect.any(Number) });
  expect(await inventory.images("em1", "bob")).toBeUndefined();
  expect(await inventory.pods("em1", "ada")).toEqual([]);
});

test("an upload in parts for a command of its lane", async () => {
  const file = {
    n: 0,
    path: "Dockerfile",
    size: 4,
    xxh64: "0000000000000000",
    crc32: ["00000000"],
  };
  const { command } = await tiny.core.uploads.open({
    user: "ada",
    edge: "em1",
    lane: "tiny",
    operation: "image.build",
    input: { source: { staged: true }, dockerfile: "Dockerfile", context: "", image: "i" },
    plan: { volume: "_", partSize: 8 * 1024 * 1024, files: [file] },
  });
  expect(command).toMatchObject({ lane: "tiny", state: "staging" });
  const found = await tiny.core.uploads.find("ada", command.id);
  expect(await tiny.core.uploads.missing(found)).toMatchObject([{ number: 1, size: 4 }]);
  await expect(tiny.core.uploads.find("bob", command.id)).rejects.toMatchObject({ code: "UPLINK_NOT_FOUND" });
});
