import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterEach, expect, test, vi } from "vitest";
import type { RangedSource } from "#agent/files/ranged-source.ts";
import type { Dialect } from "#lambdas/dialects/dialect.ts";
import { DIALECTS } from "#lambdas/dialects/index.ts";
import type { Command } from "#lambdas/ledger/command.ts";
import { keptPrefix } from "#lambdas/ports/staging-key.ts";
import { KiB, MiB } from "#protocol/limits.ts";
import type { StagedContent } from "#protocol/operations.ts";
import { laneDialect } from "#test/support/lane-dialect.ts";
import { makeWorld, type World } from "#test/support/world.ts";

let world: World;
afterEach(() => world.close());

const QUOTA = 1_000_000;
const keyOf = ({ user, id }: Pick<Command, "user" | "id">) => `${keptPrefix(user, "keeps")}jobs/${id}`;
const keeps: Dialect = {
  ...laneDialect({
    name: "keeps",
    width: 1,
    order: "round-robin",
    bounds: { queuePerEdge: 10, queuePerUser: 10 },
  }),
  keepContent: keyOf,
  stagingPrefixes: [{ prefix: "keeps" }],
};

/** What a command of that lane, or of the EM's, brings is `content`; the agent tells of it what `told` says. */
async function bring(lane: string, content: Buffer, told: Partial<StagedContent> = {}): Promise<Command> {
  const source: RangedSource = {
    size: content.length,
    pin: "pinned",
    read: (start, length) => Readable.from([content.subarray(start, start + length)], { objectMode: false }),
  };
  await world.agent({
    "volume.read": async (context) => {
      const sent = await context.store(0, source, content.length);
      const [name, total] = ["f", content.length];
      return { kind: "file" as const, name, total, etag: '"v1"', modified: 0, content: { ...sent, ...told } };
    },
  });
  const { command } = await world.ground.dispatch.run({
    user: "alice",
    edge: "em1",
    lane,
    operation: "volume.read",
    input: { volume: "v", path: "f" },
    admission: "queue",
    wait: { kind: "end" },
  });
  return command;
}

test.each([
  ["one piece", 50 * KiB, 8 * 1024 * KiB],
  ["small parts", 200 * KiB + 7, 64 * KiB],
])("content that came in %s is kept whole and once when its command has ended", async (_what, size, part) => {
  world = await makeWorld({
    dialects: [...DIALECTS, keeps],
    quota: QUOTA,
    transferPartBytes: part,
  });
  await world.user("alice");
  const { staging, dialects, janitor } = world.ground;
  const { core } = dialects.find(({ dialect }) => dialect === keeps)!;
  const content = randomBytes(size);
  const command = await bring("keeps", content);
  expect(command.state).toBe("succeeded");
  expect((await buffer((await staging.get(keyOf(command))).body)).equals(content)).toBe(true);
  // The report's answer, which the agent waits for, is given after the removal.
  await expect.poll(() => staging.list("downlink/alice/"), { timeout: 30_000 }).toEqual([]);
  expect(await core.bytesLeft("alice", "em1")).toBe(QUOTA - size);
  await janitor.round();
  expect(await staging.usage(keptPrefix("alice"))).toBe(size);
});

test("content that could not be removed when it was kept goes with a repeat of the report", async () => {
  world = await makeWorld({ dialects: [...DIALECTS, keeps] });
  await world.user("alice");
  const { staging } = world.ground;
  const remove = vi.spyOn(staging, "remove").mockRejectedValue(new Error("not now"));
  const { id, epoch, user, lane, result } = await bring("keeps", randomBytes(50));
  await vi.waitFor(() => expect(remove).toHaveBeenCalled(), { timeout: 90_000 });
  remove.mockRestore();
  const staged = () => staging.list("downlink/alice/");
  expect(await staged()).toHaveLength(1);
  const repeat = { epoch, user, command: id, lane, outcome: { state: "succeeded", result } };
  const answer = await fetch(`${world.url}/agent/report`, {
    method: "POST",
    headers: { authorization: `Bearer ${world.agentToken}` },
    body: JSON.stringify(repeat),
  });
  expect(answer.status).toBe(200);
  expect(await staged()).toEqual([]);
});

test.each([
  ["of another size", { size: 7 }],
  ["under a name that nothing has", { transfer: `t${"0".repeat(20)}` }],
])("content %s than the agent says is not kept, and fails its command", async (_what, told) => {
  world = await makeWorld({ dialects: [...DIALECTS, keeps] });
  await world.user("alice");
  const command = await bring("keeps", randomBytes(50), told);
  expect(command).toMatchObject({ state: "failed", failure: { code: "INTERNAL_ERROR" } });
  expect(await world.ground.staging.list("kept/")).toEqual([]);
});

test.each([
  ["content in small parts is joined", "put", 200 * KiB, 64 * KiB],
  ["large content is copied", "copy", 65 * MiB, undefined],
] as const)("while %s, other commands of its lane enter and leave it", async (_what, way, size, part) => {
  world = await makeWorld({ dialects: [...DIALECTS, keeps], ...(part && { transferPartBytes: part }) });
  await world.user("alice");
  const { staging, dispatch } = world.ground;
  const joining = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const held = async (key: string) => {
    if (!key.startsWith("kept/")) return;
    joining.resolve();
    await go.promise;
  };
  const put = staging.put.bind(staging);
  const copy = staging.copy.bind(staging);
  if (way === "put")
    vi.spyOn(staging, way).mockImplementation(async (...of) => held(of[0]).then(() => put(...of)));
  else vi.spyOn(staging, way).mockImplementation(async (...of) => held(of[1]).then(() => copy(...of)));
  const content = randomBytes(size);
  const brought = bring("keeps", content);
  await joining.promise;
  const { command: other } = await dispatch.run({
    user: "alice",
    edge: "em1",
    lane: "keeps",
    operation: "volume.read",
    input: { volume: "v", path: "f" },
    admission: "queue",
    wait: { kind: "none" },
  });
  expect((await dispatch.cancel("alice", other.id)).state).toBe("cancelled");
  go.resolve();
  const command = await brought;
  expect((await buffer((await staging.get(keyOf(command))).body)).equals(content)).toBe(true);
});

test("content of other lanes stays where it ends by age", async () => {
  world = await makeWorld({ dialects: [...DIALECTS, keeps] });
  await world.user("alice");
  const command = await bring("em", Buffer.from("content"));
  expect(await world.ground.staging.list("kept/")).toEqual([]);
  expect(await world.ground.staging.list(`downlink/alice/_/${command.id}/`)).toHaveLength(1);
});

test("what a dialect keeps counts in its user's quota, by its own prefix too, and for nobody else", async () => {
  world = await makeWorld({ dialects: [...DIALECTS, keeps], quota: QUOTA });
  await world.user("alice");
  const { staging, dialects, dispatch } = world.ground;
  const { core } = dialects.find(({ dialect }) => dialect === keeps)!;
  const put = (key: string, bytes: number) => staging.put(key, Buffer.alloc(bytes), { maxBytes: bytes });
  await put("keeps/alice/inbox/1", 300_000);
  await put("keeps/alicent/inbox/1", 10);
  await put(`${keptPrefix("alice", "keeps")}1`, 200_000);
  expect(await core.bytesLeft("alice", "em1")).toBe(500_000);
  const of = {
    user: "alice",
    edge: "em1",
    lane: "keeps",
    admission: "queue",
    wait: { kind: "none" },
  } as const;
  const reservation = await dispatch.reserve({ ...of, bytes: 400_000 });
  expect(reservation.allowance).toBe(400_000);
  expect(await core.bytesLeft("alice", "em1")).toBe(100_000);
  await put("keeps/alice/inbox/2", 150_000);
  expect(await core.bytesLeft("alice", "em1")).toBe(-50_000);
  await expect(dispatch.reserve(of)).rejects.toMatchObject({ code: "QUOTA_EXCEEDED" });
  // what an edge sends is bounded by the same
  const room = QUOTA - 650_000;
  expect((await bring("keeps", Buffer.alloc(room + 1))).failure?.code).toBe("QUOTA_EXCEEDED");
});
