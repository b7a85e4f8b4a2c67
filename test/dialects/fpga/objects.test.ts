import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fpgaHandlers } from "#agent/fpga/store/fpga-handlers.ts";
import { FpgaStore } from "#agent/fpga/store/fpga-store.ts";
import { Client } from "#cli/client.ts";
import { Credentials } from "#cli/credentials.ts";
import { Output } from "#cli/output/output.ts";
import { objectInParts } from "#cli/parts/object-in-parts.ts";
import { OBJECT_BOUNDS } from "#lambdas/dialects/fpga/objects/bucket-record.ts";
import { LIMITS } from "#protocol/limits.ts";
import { startAgent } from "#test/faults/support/in-process-agent.ts";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import { type FpgaGround, startFpgaGround } from "./support/fpga-ground.ts";

let ground: FpgaGround;
beforeEach(async () => {
  ground = await startFpgaGround();
});
afterEach(() => ground.stop());

/** A loaded machine is slow; what is waited for comes. */
const SOON = { timeout: 60_000 };
const crcOf = (bytes: Uint8Array) => crc32(bytes).toString(16).padStart(8, "0");

type Json = {
  error?: string;
  message?: string;
  data?: Record<string, unknown> & { id: string; parts: Part[] };
};
type Part = { part: number; url: string; headers: Record<string, string> };
const ask = async (method: string, path: string, body?: unknown, { user = "ada", headers = {} } = {}) => {
  const answer = await ground.send(method, path, {
    headers: {
      authorization: `Bearer ${ground.token(user)}`,
      ...(body !== undefined && { "content-type": "application/json" }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: answer.status, json: JSON.parse(answer.text) as Json };
};
const requestOf = (key: string, content: Uint8Array, bucket = "obs-fpga") => ({
  bucket,
  key,
  size: content.length,
  parts: content.length === 0 ? [] : [{ size: content.length, crc32: crcOf(content) }],
});
/** Brings an object in one part. @returns the answer to the last step that was made */
const upload = async (key: string, content: Uint8Array, { bucket = "obs-fpga", user = "ada" } = {}) => {
  const opened = await ask("POST", "/fpga/objects", requestOf(key, content, bucket), { user });
  if (opened.status !== 201) return opened;
  for (const { url, headers } of opened.json.data!.parts) {
    expect((await ground.send("PUT", url, { headers, body: content })).status).toBe(200);
  }
  return ask("POST", `/fpga/objects/${opened.json.data!.id}/complete`, undefined, { user });
};
const listed = async (user = "ada") => {
  const { json } = await ask("GET", "/fpga/objects", undefined, { user });
  return json.data as unknown as { location: string; size: number }[];
};
const locations = async (user?: string) => (await listed(user)).map(({ location }) => location);

describe("the whole chain", () => {
  it("an object that was uploaded is registered, stored by the edge's agent, and deleted there", async () => {
    const content = buildRawStream();
    expect(await upload("fpga.bin", content)).toMatchObject({
      status: 200,
      json: { data: { location: "obs-fpga:fpga.bin", size: content.length } },
    });
    const state = join(ground.data, "agent");
    const store = new FpgaStore({
      root: join(state, "fpga"),
      log: pino({ level: "silent" }),
      freeFloorBytes: 0,
    });
    const room = { [Symbol.dispose]() {}, land: (work: () => Promise<void>) => work() };
    const budget = { reserve: async () => room, take: () => room } as unknown as Parameters<
      typeof fpgaHandlers
    >[0]["budget"];
    const agent = await startAgent({
      url: ground.url,
      token: ground.agentToken,
      state,
      handlers: fpgaHandlers({ store, budget }),
    });
    try {
      const id = await ground.register({ name: "counter" });
      await expect.poll(() => ground.detail(id), SOON).toMatchObject({ status: "active" });
      const { sha256 } = (await ground.detail(id)) as { sha256: string };
      expect(store.hasFile("ada", sha256)).toBe(true);
      expect((await ground.ada("DELETE", `${ground.base()}/${id}`)).status).toBe(204);
      await expect.poll(() => ground.detail(id), SOON).toBeUndefined();
      expect(store.hasFile("ada", sha256)).toBe(false);
    } finally {
      await agent.stop();
    }
  });

  it("the command brings what is large in parts", async () => {
    const content = randomBytes(LIMITS.partBytes + 1234);
    const source = join(ground.data, "big.bin");
    await writeFile(source, content);
    const credentials = new Credentials(join(ground.data, "cli", "credentials.json"));
    await credentials.set(ground.url, { username: "ada", access: ground.token("ada"), refresh: "" });
    const output = new Output(true);
    const { signal } = new AbortController();
    const client = new Client({ url: ground.url, waitMs: 0, credentials, output, signal });
    const file = { source, path: "big.bin", size: content.length, follow: true };
    const session = { client, output, credentials, url: ground.url, signal };
    const body = await objectInParts(session, file, { bucket: "abc", key: "a/../big.bin" });
    expect(body.data).toMatchObject({ location: "abc:a/../big.bin", size: content.length });
    const { body: stream } = await ground.parts.objects.get({
      owner: ground.project().uid,
      bucket: "abc",
      key: "a/../big.bin",
    });
    expect(Buffer.concat(await stream.toArray()).equals(content)).toBe(true);
    expect(await ground.ground.staging.list("fpga/")).toEqual([]);
  });
});

describe("an upload", () => {
  it("appears whole when it is completed, once, and can be asked for again", async () => {
    const content = randomBytes(LIMITS.partBytesLeast + 5);
    const [one, two] = [content.subarray(0, LIMITS.partBytesLeast), content.subarray(LIMITS.partBytesLeast)];
    const request = {
      ...requestOf("a.bin", content),
      parts: [one, two].map((part) => ({ size: part.length, crc32: crcOf(part) })),
    };
    const headers = { "idempotency-key": "k" };
    const opened = await ask("POST", "/fpga/objects", request, { headers });
    const { id, parts } = opened.json.data!;
    expect(opened).toMatchObject({ status: 201, json: { data: { state: "staging", missing: 2 } } });
    const again = await ask("POST", "/fpga/objects", request, { headers });
    expect(again.json.data).toMatchObject({ id, missing: 2 });
    const other = await ask("POST", "/fpga/objects", { ...request, key: "b.bin" }, { headers });
    expect([other.status, other.json.error]).toEqual([422, "IDEMPOTENCY_KEY_REUSED"]);
    const at = `/fpga/objects/${id}`;
    const early = await ask("POST", `${at}/complete`);
    expect(early).toMatchObject({ status: 409, json: { error: "UPLINK_INCOMPLETE", count: 2 } });
    expect((await ground.send("PUT", parts[0]!.url, { body: one })).status).toBe(200);
    const more = await ask("POST", `${at}/parts`);
    expect(more.json.data).toMatchObject({ missing_files: [{ file: 0, parts: [2] }], missing: 1 });
    const named = await ask("POST", `${at}/parts`, { parts: [{ part: 1 }, { part: 2 }] });
    expect(named.json.data).toMatchObject({ arrived: [{ file: 0, part: 1 }], parts: [{ part: 2 }] });
    expect((await ground.send("PUT", named.json.data!.parts[0]!.url, { body: two })).status).toBe(200);
    expect(await locations()).toEqual([]);
    for (let n = 0; n < 2; n++) expect((await ask("POST", `${at}/complete`)).status).toBe(200);
    expect(await locations()).toEqual(["obs-fpga:a.bin"]);
    expect((await ask("POST", `${at}/complete`, undefined, { user: "bob" })).json.error).toBe(
      "UPLINK_NOT_FOUND",
    );
  });

  it("is of a bucket that goes when it is empty", async () => {
    const remove = (at: string, user?: string) =>
      ask("DELETE", `/fpga/objects/${at}`, undefined, { ...(user !== undefined && { user }) });
    await upload("a.bin", Buffer.of(1));
    const coming = (await ask("POST", "/fpga/objects", requestOf("b.bin", Buffer.alloc(9)))).json.data!;
    const full = await remove("obs-fpga");
    expect([full.status, full.json.error]).toEqual([400, "INVALID_PARAMETERS"]);
    expect((await remove("obs-fpga/a.bin")).status).toBe(200);
    expect((await remove("obs-fpga")).status).toBe(400);
    expect((await remove(coming.id)).status).toBe(200);
    expect((await remove("obs-fpga", "bob")).status).toBe(404);
    expect((await remove("obs-fpga")).status).toBe(200);
    expect(await ground.parts.userObjects.buckets.list(ground.project().uid)).toEqual([]);
    const gone = await remove("obs-fpga");
    expect([gone.status, gone.json.error]).toEqual([404, "OBJECT_NOT_FOUND"]);
  });

  it("that is given up leaves nothing, and one that nobody goes on with neither", async () => {
    const open = (key: string) => ask("POST", "/fpga/objects", requestOf(key, Buffer.alloc(9)));
    const { id } = (await open("a.bin")).json.data!;
    expect((await ask("DELETE", `/fpga/objects/${id}`, undefined, { user: "bob" })).status).toBe(404);
    expect((await ask("DELETE", `/fpga/objects/${id}`)).status).toBe(200);
    expect((await ask("POST", `/fpga/objects/${id}/complete`)).status).toBe(404);
    const left = (await open("b.bin")).json.data!;
    expect((await ground.send("PUT", left.parts[0]!.url, { body: Buffer.alloc(9) })).status).toBe(200);
    await ground.ground.janitor.round();
    expect(await ground.parts.uploads.find(ground.project().uid, left.id)).toBeDefined();
    ground.setClock(Date.now() + LIMITS.partsIdleMs + 1);
    await ground.ground.janitor.round();
    expect((await ask("POST", `/fpga/objects/${left.id}/parts`)).status).toBe(401);
    ground.setClock(undefined);
    expect((await ask("POST", `/fpga/objects/${left.id}/parts`)).status).toBe(404);
    expect(await ground.ground.staging.list("fpga/")).toEqual([]);
  });

  it.each([
    [{ key: "a~b" }, "key"],
    [{ key: "" }, "key"],
    [{ key: ".." }, "key"],
    [{ key: "a".repeat(65) }, "key"],
    [{ key: 7 }, "key"],
    [{ key: "fpga-log/a.bin" }, "key"],
    [{ bucket: "A" }, "bucket"],
    [{ bucket: "1.2.3.4" }, "bucket"],
    [{ size: -1 }, "size"],
    [{ size: OBJECT_BOUNDS.bytes + 1 }, "size"],
    [{ size: 2 }, "parts"],
    [{ parts: [] }, "parts"],
    [{ parts: [{ size: 1, crc32: "x" }] }, "parts"],
    [{ size: 4, parts: Array(2).fill({ size: 2, crc32: "00000000" }) }, "parts"],
  ])("is refused with %j", async (fields, named) => {
    const answer = await ask("POST", "/fpga/objects", { ...requestOf("a.bin", Buffer.of(1)), ...fields });
    expect([answer.status, answer.json.error]).toEqual([400, "INVALID_PARAMETERS"]);
    expect(answer.json.message).toContain(named);
    expect(await ground.parts.userObjects.buckets.list(ground.project().uid)).toEqual([]);
  });
});

describe("objects", () => {
  const KEYS = ["../a.bin", "/", "//", ".".repeat(64), "a/../../b.bin", "/etc/passwd.bin"];

  it("are of their user alone, whatever their keys look like", async () => {
    for (const key of KEYS) expect((await upload(key, Buffer.from(key))).status).toBe(200);
    expect((await upload("a.bin", Buffer.of(1), { user: "bob" })).status).toBe(200);
    expect((await locations()).toSorted()).toEqual(KEYS.map((key) => `obs-fpga:${key}`).toSorted());
    for (const key of KEYS) {
      const path = `/fpga/objects/obs-fpga/${encodeURIComponent(key)}`;
      expect((await ask("DELETE", path, undefined, { user: "bob" })).status, key).toBe(404);
      expect((await ask("DELETE", path)).status, key).toBe(200);
      expect((await ask("DELETE", path)).json.error, key).toBe("OBJECT_NOT_FOUND");
    }
    expect(await locations()).toEqual([]);
    expect(await locations("bob")).toEqual(["obs-fpga:a.bin"]);
  });

  it("may be empty, and are replaced whole", async () => {
    for (const content of ["", "x", "yy"]) {
      expect((await upload("a.bin", Buffer.from(content))).status).toBe(200);
      expect(await listed()).toMatchObject([{ size: content.length }]);
    }
  });

  it("go into ten buckets at most", async () => {
    const names = Array.from({ length: OBJECT_BOUNDS.buckets }, (_, n) => `bucket-${n}`);
    for (const bucket of names) expect((await upload("a.bin", Buffer.of(1), { bucket })).status).toBe(200);
    const answer = await upload("a.bin", Buffer.of(1), { bucket: "another" });
    expect([answer.status, answer.json.message]).toEqual([400, "There are 10 buckets, the most"]);
    expect((await upload("b.bin", Buffer.of(1), { bucket: names[0]! })).status).toBe(200);
  });

  it("count in the user's quota from when they are announced, until they are removed", async () => {
    const small = await startFpgaGround({ quota: 10_000 });
    const main = ground;
    ground = small;
    try {
      const [half, most] = [randomBytes(4000), randomBytes(9000)];
      const refused = { status: 507, json: { error: "QUOTA_EXCEEDED" } };
      const opened = await ask("POST", "/fpga/objects", requestOf("a.bin", half));
      expect(await upload("b.bin", most)).toMatchObject(refused);
      await ask("DELETE", `/fpga/objects/${opened.json.data!.id}`);
      expect(await upload("b.bin", most)).toMatchObject({ status: 200 });
      expect(await upload("a.bin", half)).toMatchObject(refused);
      // what is replaced gives its room
      expect(await upload("b.bin", randomBytes(9500))).toMatchObject({ status: 200 });
      expect(await small.core.bytesLeft("ada", "em1")).toBe(500);
      expect(await small.core.bytesLeft("bob", "em1")).toBe(10_000);
      await ask("DELETE", "/fpga/objects/obs-fpga/b.bin");
      expect(await small.core.bytesLeft("ada", "em1")).toBe(10_000);
    } finally {
      ground = main;
      await small.stop();
    }
  });

  it("need a token; an access key is none", async () => {
    expect((await ground.send("GET", "/fpga/objects")).status).toBe(401);
    const signed = {
      authorization: "SDK-HMAC-SHA256 Access=PGAAAAAAAAAAAAAAAAAA, SignedHeaders=host, Signature=00",
    };
    const answer = await ground.send("GET", "/fpga/objects", { headers: signed });
    expect([answer.status, JSON.parse(answer.text).error]).toEqual([401, "UNAUTHORIZED"]);
    expect((await ask("GET", "/fpga/nothing")).json.error).toBe("NOT_FOUND");
    expect((await ask("PUT", "/fpga/objects")).status).toBe(405);
  });
});
