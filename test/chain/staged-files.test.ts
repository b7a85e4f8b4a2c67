import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LIMITS } from "#protocol/limits.ts";
import { declaredFile } from "#test/support/declared-file.ts";
import { makeWorld, type World } from "#test/support/world.ts";

let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.close());

const INPUT = { source: { staged: true }, dockerfile: "Dockerfile", context: "", image: "i" };
const wait = { kind: "most", ms: 60_000 } as const;

/** The agent's image.build notes its input and its files. */
async function agentThatBuilds() {
  const seen: { input: unknown; files: Record<string, string> }[] = [];
  await world.agent({
    "image.build": async ({ input, manifest, fetch }) => {
      const files: Record<string, string> = {};
      for (const { n, path } of await manifest()) files[path] = String(await buffer(await fetch(n)));
      seen.push({ input, files });
      return {};
    },
  });
  return seen;
}

test("a build comes with its context in one body", async () => {
  await world.user("alice");
  const seen = await agentThatBuilds();
  const { dispatch, staging } = world.ground;
  const reservation = await dispatch.reserve<"image.build">({
    user: "alice",
    edge: "em1",
    lane: "em",
    admission: "queue",
    wait,
    operation: "image.build",
  });
  const prefix = reservation.prefix("_");
  const content = Buffer.from("FROM scratch");
  const { size, xxh64 } = await staging.put(`${prefix}0`, Readable.from([content]), { maxBytes: 100 });
  const files = [{ n: 0, path: "Dockerfile", size, xxh64 }];
  const answer = await reservation.complete({ volume: "_", prefix, files, input: INPUT });
  expect(answer).toMatchObject({ kind: "succeeded", command: { operation: "image.build" }, result: {} });
  expect(seen).toEqual([{ input: INPUT, files: { Dockerfile: "FROM scratch" } }]);
  expect(await staging.list("uplink/")).toEqual([]);
});

test("and in parts", async () => {
  await world.user("alice");
  const seen = await agentThatBuilds();
  const { uploads } = world.ground;
  const content = "FROM scratch\n";
  const { size, checksum: xxh64, crc32 } = declaredFile("Dockerfile", content);
  const upload = await uploads.open({
    user: "alice",
    edge: "em1",
    plan: {
      volume: "_",
      partSize: LIMITS.partBytes,
      files: [{ n: 0, path: "Dockerfile", size, xxh64, crc32 }],
    },
    operation: "image.build",
    input: INPUT,
  });
  const { parts } = await uploads.sign(upload.command, await uploads.missing(upload));
  for (const { signed } of parts) {
    const url = new URL(signed.url, world.url);
    const put = await fetch(url, { method: "PUT", headers: signed.headers, body: content });
    expect(put.status).toBe(200);
  }
  const again = await uploads.find("alice", upload.command.id);
  const answer = await uploads.complete<"image.build">(again, wait);
  expect(answer).toMatchObject({ kind: "succeeded", command: { operation: "image.build" } });
  expect(seen).toEqual([{ input: INPUT, files: { Dockerfile: content } }]);
});
