import { randomBytes } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { LIMITS } from "#protocol/limits.ts";
import { type DeclaredFile, declaredFile } from "#test/support/declared-file.ts";
import { keepBusy } from "./support/busy.ts";
import type { Client } from "./support/client.ts";
import { expectInvalid, expectOk, expectRefusal, UTC_SECONDS } from "./support/expectations.ts";
import { list, paths } from "./support/listing.ts";
import { fileOf } from "./support/pods.ts";
import { named, nobody, other, target, user } from "./support/session.ts";

const PART = LIMITS.partBytesLeast;
const ok = (file_count: number, total_size_kb: number) => ({
  message: "Successfully uplinked files",
  data: { file_count, total_size_kb },
});
const kb = (bytes: number) => Math.round((bytes / 1024) * 100) / 100;

let client: Client;
let volumes = 0;
const fresh = () => named(`parts${++volumes}`);

beforeAll(async () => {
  client = await user();
});

type Signed = {
  file: number;
  part: number;
  offset: number;
  size: number;
  url: string;
  headers: Record<string, string>;
};
type Opened = { id: string; parts: Signed[]; missing: number; state: string };

async function open(files: DeclaredFile[], fields: Record<string, unknown> = {}): Promise<Opened> {
  const answer = await client.json("/uplinks", { part_size: PART, files, ...fields });
  expect({ status: answer.status, text: answer.text }).toMatchObject({ status: 201 });
  const { data } = answer.json;
  expect(answer.header("location")).toBe(`/uplinks/${data.id}`);
  return data;
}

/** PUT of a part, as whoever holds the URL may do it. */
async function put(signed: Signed, content: Uint8Array): Promise<number> {
  const url = signed.url.startsWith("/") ? target.url + signed.url : signed.url;
  const body = content as Exclude<RequestInit["body"], null | undefined>;
  const answer = await fetch(url, { method: "PUT", headers: signed.headers, body });
  await answer.arrayBuffer();
  return answer.status;
}

async function send(parts: Signed[], contents: (string | Uint8Array)[]): Promise<void> {
  for (const part of parts) {
    const bytes = Buffer.from(contents[part.file] as string);
    expect(await put(part, bytes.subarray(part.offset, part.offset + part.size))).toBe(200);
  }
}

const complete = (id: string, headers: Record<string, string> = {}) =>
  client.request("POST", `/uplinks/${id}/complete`, { headers, lockIsAnswer: true });

describe("an uplink in parts", () => {
  it("arrives as the same files in one body would, and answers alike", async () => {
    const volume = fresh();
    const contents = [randomBytes(2 * PART + 123), Buffer.from("small"), Buffer.alloc(0)];
    const files = ["big.bin", "./sub/small.txt", "empty"].map((name, i) => declaredFile(name, contents[i]!));
    const { id, parts, missing } = await open(files, { pod_name: volume, dest_path: "./in/" });
    expect({ parts: parts.length, missing }).toEqual({ parts: 4, missing: 4 });
    expectInOrder(parts);
    await send(parts, contents);
    expectOk(await complete(id), ok(3, kb(2 * PART + 128)));
    expect(await paths(client, volume)).toEqual(["in/big.bin", "in/empty", "in/sub/small.txt"]);
    expect(Buffer.compare(await fileOf(client, volume, "in/big.bin"), contents[0]!)).toBe(0);
    const [entry] = (await list(client, volume))[0]!.contents!.filter(({ name }) => name === "big.bin");
    expect(entry).toMatchObject({ type: "file", size: String(2 * PART + 123) });
    // again: the same answer, and nothing done
    expectOk(await complete(id), ok(3, kb(2 * PART + 128)));
    const command = (await client.get(`/commands/${id}`)).json.data;
    expect(command).toMatchObject({ operation: "volume.uplink", state: "succeeded", attempts: 1 });
    expect(command.input).toEqual({ volume, count: 3, bytes: 2 * PART + 128 });
  });

  it("goes on after a cut with what is missing, as the ground tells it", async () => {
    const volume = fresh();
    const content = randomBytes(3 * PART);
    const { id, parts } = await open([declaredFile("f", content)], { pod_name: volume });
    await send([parts[1]!], [content]);
    expectRefusal(await complete(id), 409, "UPLINK_INCOMPLETE", /2 parts/);
    const shown = (await client.get(`/uplinks/${id}`)).json.data;
    expect(shown).toMatchObject({
      id,
      state: "staging",
      part_size: PART,
      files: [{ file: 0, path: "f", size: 3 * PART, parts: 3 }],
      missing: 2,
      missing_bytes: 2 * PART,
      missing_files: [{ file: 0, parts: [1, 3] }],
    });
    expect(shown.expires_at).toMatch(UTC_SECONDS);
    const named = await client.json(`/uplinks/${id}/parts`, { parts: [{ file: 0, part: 2 }] });
    expect(named.json.data).toMatchObject({ parts: [], arrived: [{ file: 0, part: 2 }] });
    const rest = (await client.request("POST", `/uplinks/${id}/parts`)).json.data;
    expect(rest.parts.map(({ part }: Signed) => part)).toEqual([1, 3]);
    await send(rest.parts, [content]);
    expectOk(await complete(id), ok(1, kb(3 * PART)));
    expect(Buffer.compare(await fileOf(client, volume, "f"), content)).toBe(0);
  });

  it("takes no part of another size or content, and the right one after that", async () => {
    const volume = fresh();
    const { id, parts } = await open([declaredFile("f", "right")], { pod_name: volume });
    for (const wrong of ["wrong", "righ", "right!", ""]) {
      const status = await put(parts[0]!, Buffer.from(wrong));
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(500);
    }
    expectRefusal(await complete(id), 409, "UPLINK_INCOMPLETE");
    await send(parts, ["right"]);
    expectOk(await complete(id), ok(1, 0));
  });

  it("fails clearly when a file is not what was declared, and changes nothing", async () => {
    const volume = fresh();
    const lie = { ...declaredFile("lie", "content"), checksum: "0123456789abcdef" };
    const { id, parts } = await open([declaredFile("fine", "fine"), lie], { pod_name: volume });
    await send(parts, ["fine", "content"]);
    expectRefusal(await complete(id), 400, "CHECKSUM_MISMATCH", /lie/);
    expect(await list(client, volume)).toEqual([]);
    expectRefusal(await complete(id), 400, "CHECKSUM_MISMATCH");
    expect((await client.get(`/commands/${id}`)).json.data).toMatchObject({
      state: "failed",
      error: { code: "CHECKSUM_MISMATCH" },
    });
  });

  it("is completed while the edge is busy: it queues, and is never 423", async () => {
    const volume = fresh();
    const busy = await keepBusy(client);
    try {
      const { id, parts } = await open([declaredFile("f", "queued")], { pod_name: volume });
      await send(parts, ["queued"]);
      const answer = await complete(id, { prefer: "respond-async" });
      expect({ status: answer.status, text: answer.text }).toMatchObject({ status: 202 });
      expect(answer.header("location")).toBe(`/commands/${id}`);
      expect(answer.json.data).toMatchObject({ command_id: id, state: "queued", position: 2 });
      await busy.end();
      expectOk(await complete(id, { prefer: "wait=60" }), ok(1, 0.01));
    } finally {
      await busy.end();
    }
    expect(String(await fileOf(client, volume, "f"))).toBe("queued");
  });

  it("is taken back like any command, and leaves nothing", async () => {
    const volume = fresh();
    const { id, parts } = await open([declaredFile("f", "x"), declaredFile("g", "y")], { pod_name: volume });
    await send([parts[0]!], ["x"]);
    expect((await client.request("POST", `/commands/${id}/cancel`)).status).toBe(200);
    expectRefusal(await complete(id), 409, "CANCELLED");
    expect((await client.get(`/uplinks/${id}`)).json.data).toMatchObject({ state: "cancelled" });
    expect(await list(client, volume)).toEqual([]);
  });

  it("is opened once under one Idempotency-Key", async () => {
    const body = { part_size: PART, pod_name: fresh(), files: [declaredFile("f", "x")] };
    const headers = { "idempotency-key": named("parts") };
    const first = await client.json("/uplinks", body, { headers });
    const again = await client.json("/uplinks", body, { headers });
    expect(again.json.data.id).toBe(first.json.data.id);
    const changed = await client.json("/uplinks", { ...body, dest_path: "x" }, { headers });
    expectRefusal(changed, 422, "IDEMPOTENCY_KEY_REUSED");
    await client.request("POST", `/commands/${first.json.data.id}/cancel`);
  });

  it("is nobody else's", async () => {
    const { id, parts } = await open([declaredFile("f", "mine")], { pod_name: fresh() });
    await send(parts, ["mine"]);
    const stranger = await other();
    expectRefusal(await stranger.get(`/uplinks/${id}`), 404, "UPLINK_NOT_FOUND");
    for (const verb of ["parts", "complete"]) {
      expectRefusal(await stranger.request("POST", `/uplinks/${id}/${verb}`), 404, "UPLINK_NOT_FOUND");
      expectRefusal(await nobody.request("POST", `/uplinks/${id}/${verb}`), 401, "UNAUTHORIZED");
    }
    expectRefusal(await nobody.json("/uplinks", {}), 401, "UNAUTHORIZED");
    expectRefusal(await client.get("/uplinks/01JD0000000000000000000001"), 404, "UPLINK_NOT_FOUND");
    expectOk(await complete(id), ok(1, 0));
  });
});

describe("what is refused when it is opened", () => {
  const file = declaredFile("f", "x");
  const many = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ path: `d/${i}`, size: 0, checksum: "ef46db3751d8e999" }));
  const huge = { ...file, size: 2 ** 31 + 1, crc32: [] };

  it.each([
    ["no files", {}, 400, "NO_FILES"],
    ["an empty list", { files: [] }, 400, "NO_FILES"],
    ["over 2 GB", { files: [huge] }, 400, "MAX_UPLINK_SIZE_EXCEEDED"],
    [
      "over 2 GB together",
      {
        files: [
          { ...huge, size: 2 ** 31 },
          { ...file, path: "g" },
        ],
      },
      400,
      "MAX_UPLINK_SIZE_EXCEEDED",
    ],
    ["over 10,000 files", { files: many(10_001) }, 400, "TOO_MANY_FILES"],
    ["an absolute path", { files: [{ ...file, path: "/etc/passwd" }] }, 403, "ILLEGAL_PATH"],
    ["a path out of the volume", { files: [{ ...file, path: "a/../../b" }] }, 403, "ILLEGAL_PATH"],
    ["a dest_path out of the volume", { dest_path: "..", files: [file] }, 403, "ILLEGAL_PATH"],
  ])("%s", async (_what, body, status, code) => {
    expectRefusal(await client.json("/uplinks", body), status, code);
  });

  it.each([
    ["files", { files: "f" }],
    ["files.0.path", { files: [{ ...file, path: "" }] }],
    ["files.0.path", { files: [{ ...file, path: 7 }] }],
    ["files", { files: [{ ...file, path: "a\0b" }] }],
    ["files", { files: [{ ...file, path: "x".repeat(256) }] }],
    ["files", { files: [{ ...file, path: "dir/" }] }],
    ["files", { files: [file, { ...file, path: "f/below" }] }],
    ["files.0.size", { files: [{ ...file, size: -1 }] }],
    ["files.0.size", { files: [{ ...file, size: 1.5 }] }],
    ["files.0.size", { files: [{ ...file, size: "1" }] }],
    ["files.0.checksum", { files: [{ ...file, checksum: "abc" }] }],
    ["files.0.checksum", { files: [{ ...declaredFile("f", ""), checksum: "0".repeat(16) }] }],
    ["files.1.crc32", { files: [file, { ...file, path: "g", crc32: [] }] }],
    ["files.0.crc32", { files: [{ ...file, crc32: ["00000000", "00000000"] }] }],
    ["files.0.crc32.0", { files: [{ ...file, crc32: ["zzzzzzzz"] }] }],
    ["part_size", { part_size: PART - 1, files: [file] }],
    ["part_size", { part_size: 2 ** 40, files: [file] }],
    ["part_size", { part_size: "8", files: [file] }],
    ["pod_name", { pod_name: "Not A Label", files: [file] }],
    ["pvc_name", { pvc_name: "-", files: [file] }],
    ["dest_path", { dest_path: ["a"], files: [file] }],
  ])("a bad %s is named", async (field, body) => {
    expectInvalid(await client.json("/uplinks", body), field.replaceAll(".", "\\."));
  });

  it("bodies that are no JSON object, or too large", async () => {
    const body = (text: string, type = "application/json") =>
      client.request("POST", "/uplinks", { headers: { "content-type": type }, body: text });
    for (const text of ["{", "[]", "7", "null", '"x"']) {
      const answer = await body(text);
      expect(["INVALID_PARAMETERS", "NO_FILES"]).toContain(answer.json.error);
      expect(answer.status).toBe(400);
    }
    expectRefusal(await body("a=b", "application/x-www-form-urlencoded"), 415, "UNSUPPORTED_MEDIA_TYPE");
    expectRefusal(await body(JSON.stringify({ x: "y".repeat(4 * 2 ** 20) })), 413, "BODY_TOO_LARGE");
  });

  it("parts that the upload does not have", async () => {
    const { id } = await open([file], { pod_name: fresh() });
    const ask = (parts: unknown) => client.json(`/uplinks/${id}/parts`, { parts });
    for (const parts of [
      [{ file: 0, part: 2 }],
      [{ file: 1, part: 1 }],
      [{ file: 0, part: 0 }],
      [],
      "x",
      [{}],
    ]) {
      expectInvalid(await ask(parts), "parts");
    }
    await client.request("POST", `/commands/${id}/cancel`);
  });

  it("other methods", async () => {
    expectRefusal(await client.get("/uplinks"), 405, "METHOD_NOT_ALLOWED");
    expectRefusal(await client.request("DELETE", "/uplinks/x"), 405, "METHOD_NOT_ALLOWED");
  });
});

describe("many files", () => {
  it("10,000 are opened and taken back, their URLs page by page", async () => {
    const files = Array.from({ length: 10_000 }, (_, i) => declaredFile(`many/${i}`, `${i}`));
    const { id, parts, missing } = await open(files, { pod_name: fresh() });
    expect({ parts: parts.length, missing }).toEqual({ parts: LIMITS.partUrls, missing: 10_000 });
    await send(
      parts.slice(0, 3),
      files.map((_, i) => `${i}`),
    );
    const next = (await client.request("POST", `/uplinks/${id}/parts`)).json.data;
    expect(next.missing).toBe(9997);
    expect(next.parts[0]).toMatchObject({ file: 3, part: 1 });
    expect((await client.request("POST", `/commands/${id}/cancel`)).status).toBe(200);
  });
});

function expectInOrder(parts: Signed[]): void {
  const order = parts.map(({ file, part }) => file * 10_000 + part);
  expect(order).toEqual([...order].sort((a, b) => a - b));
}
