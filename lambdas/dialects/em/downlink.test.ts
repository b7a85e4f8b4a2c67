import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { COMMAND_ID, EmServer } from "#test/support/em-server.ts";
import { RawConnection } from "#test/support/raw-http.ts";

let em: EmServer;
beforeEach(async () => {
  em = await EmServer.start();
});
afterEach(() => em.stop());

const FILE = {
  kind: "file",
  name: "data.txt",
  total: 5,
  etag: '"abc"',
  modified: Date.parse("2025-11-20T12:31:12Z"),
  content: { n: 0, size: 5 },
};
const PATH = "/em/files/downlink?filepath=results/data.txt&pod_name=p";

/** The staged object goes once the answer was handed over; its deletion is what we wait for. */
async function untilNothingIsStaged(): Promise<void> {
  while ((await em.staged()).length > 0) await new Promise((resolve) => setImmediate(resolve));
}

describe("files/downlink", () => {
  test("a file, whole, and then nothing of it stays", async () => {
    await em.stage(0, "hello");
    em.dispatch.outcome = { result: FILE };
    const response = await em.fetch(PATH);
    expect(em.dispatch.requests[0]!.input).toEqual({ volume: "p", path: "results/data.txt" });
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "application/octet-stream",
      "content-length": "5",
      "content-disposition": 'attachment; filename="data.txt"',
      etag: '"abc"',
      "last-modified": "Thu, 20 Nov 2025 12:31:12 GMT",
      "accept-ranges": "bytes",
      "x-content-type-options": "nosniff",
    });
    expect(await response.text()).toBe("hello");
    await untilNothingIsStaged();
  });

  test("HEAD: as GET without the content, of which one byte comes down and goes", async () => {
    await em.stage(0, "o");
    em.dispatch.outcome = { result: { ...FILE, range: { start: 4, end: 4 }, content: { n: 0, size: 1 } } };
    const response = await em.fetch(PATH, { method: "HEAD" });
    expect(em.dispatch.requests).toMatchObject([{ input: { range: { suffix: 1 } } }]);
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "application/octet-stream",
      "content-length": "5",
      "content-disposition": 'attachment; filename="data.txt"',
      etag: '"abc"',
      "last-modified": "Thu, 20 Nov 2025 12:31:12 GMT",
      "accept-ranges": "bytes",
      "x-content-type-options": "nosniff",
    });
    expect(response.headers.get("content-range")).toBeNull();
    expect(await em.staged()).toEqual([]);
  });

  test.each<[headers: Record<string, string>, status: number, length: string | null, range: string | null]>([
    [{ range: "bytes=1-3" }, 206, "3", "bytes 1-3/5"],
    [{ range: "bytes=1-3", "if-range": '"abc"' }, 206, "3", "bytes 1-3/5"],
    [{ range: "bytes=1-3", "if-range": '"other"' }, 200, "5", null],
    [{ range: "bytes=5-" }, 416, null, "bytes */5"],
  ])("HEAD with %j: as GET, still for one byte", async (headers, status, length, range) => {
    await em.stage(0, "o");
    em.dispatch.outcome = {
      result: { ...FILE, range: { start: 4, end: 4 }, content: { n: 0, size: 1 } },
    };
    const response = await em.fetch(PATH, { method: "HEAD", headers });
    expect(em.dispatch.requests).toMatchObject([{ input: { range: { suffix: 1 } } }]);
    expect(response.status).toBe(status);
    if (length) expect(response.headers.get("content-length")).toBe(length);
    expect(response.headers.get("content-range")).toBe(range);
  });

  test("HEAD of a directory, and refusals of HEAD", async () => {
    await em.stage(0, "tar");
    em.dispatch.outcome = { result: { ...FILE, kind: "directory", total: 3, content: { n: 0, size: 3 } } };
    const tar = await em.fetch(PATH, { method: "HEAD" });
    expect([tar.headers.get("content-length"), tar.headers.get("accept-ranges")]).toEqual(["3", "none"]);
    em.dispatch.outcome = { failure: { code: "FILE_NOT_FOUND", message: "no" } };
    expect((await em.fetch(PATH, { method: "HEAD" })).status).toBe(404);
    expect((await em.fetch("/em/files/downlink?filepath=/x", { method: "HEAD" })).status).toBe(403);
  });

  test("a part of a file: 206", async () => {
    await em.stage(0, "ell");
    em.dispatch.outcome = { result: { ...FILE, range: { start: 1, end: 3 }, content: { n: 0, size: 3 } } };
    const response = await em.fetch(PATH, { headers: { range: "bytes=1-3", "if-range": '"abc"' } });
    expect(em.dispatch.requests[0]!.input).toMatchObject({ range: { start: 1, end: 3 }, ifRange: '"abc"' });
    expect(response.status).toBe(206);
    expect(response.headers.get("content-range")).toBe("bytes 1-3/5");
    expect(response.headers.get("content-length")).toBe("3");
    expect(await response.text()).toBe("ell");
  });

  test("a range outside: 416", async () => {
    em.dispatch.outcome = { failure: { code: "RANGE_NOT_SATISFIABLE", message: "no", data: { total: 5 } } };
    const response = await em.fetch(PATH, { headers: { range: "bytes=9-" } });
    expect(response.status).toBe(416);
    expect(response.headers.get("content-range")).toBe("bytes */5");
  });

  test("several ranges, or a validator that cannot be ours, mean the whole file", async () => {
    await em.stage(0, "hello");
    em.dispatch.outcome = { result: FILE };
    for (const headers of [{ range: "bytes=0-1,3-4" }, { range: "bytes=0-1", "if-range": "x".repeat(201) }]) {
      await (
        await em.fetch(PATH, { headers: { ...headers, prefer: "wait=9" } as Record<string, string> })
      ).text();
      expect(em.dispatch.requests.at(-1)!.input).toEqual({ volume: "p", path: "results/data.txt" });
    }
  });

  test("a directory is a tar, a name outside ASCII has filename*", async () => {
    await em.stage(0, "tar");
    em.dispatch.outcome = {
      result: { ...FILE, kind: "directory", name: "résultats", content: { n: 0, size: 3 } },
    };
    const response = await em.fetch(PATH);
    expect(response.headers.get("content-type")).toBe("application/x-tar");
    expect(response.headers.get("content-disposition")).toBe(
      "attachment; filename=\"r_sultats.tar\"; filename*=UTF-8''r%C3%A9sultats.tar",
    );
    expect(await response.text()).toBe("tar");
  });

  test("an empty file", async () => {
    await em.stage(0, "");
    em.dispatch.outcome = { result: { ...FILE, total: 0, content: { n: 0, size: 0 } } };
    const response = await em.fetch(PATH);
    expect(response.headers.get("content-length")).toBe("0");
    expect(await response.text()).toBe("");
  });

  test.each(["prefer", "idempotency-key"])(
    "with %s it can be asked for again, so it stays",
    async (header) => {
      await em.stage(0, "hello");
      em.dispatch.outcome = { result: FILE };
      const headers = { [header]: "wait=30" };
      for (let i = 0; i < 2; i++) expect(await (await em.fetch(PATH, { headers })).text()).toBe("hello");
      expect(await em.staged()).toEqual([`downlink/client1/_/${COMMAND_ID}/0.0`]);
    },
  );

  test("a client that hangs up half way loses nothing", async () => {
    const size = 64 << 20;
    await em.stage(0, Buffer.alloc(size, "x"));
    em.dispatch.outcome = { result: { ...FILE, total: size, content: { n: 0, size } } };
    const closed = new Promise((resolve) =>
      em.server.once("request", (_q, response) => response.once("close", resolve)),
    );
    const raw = await RawConnection.open(em.port);
    await raw.write(`GET ${PATH} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await raw.until(/\r\n\r\nx/);
    raw.close();
    await closed;
    expect(await em.staged()).toHaveLength(1);
  });

  test("FILE_NOT_FOUND on the edge, or no longer in staging: 404", async () => {
    em.dispatch.outcome = { failure: { code: "FILE_NOT_FOUND", message: "There is no such file" } };
    expect((await em.fetch(PATH)).status).toBe(404);
    em.dispatch.outcome = { result: FILE };
    expect((await em.fetch(PATH)).status).toBe(404);
  });
});

describe("files/list", () => {
  const LISTING =
    '[{"type":"file","name":"a","size":"1","time":"2025-11-20-12-31","hash":-8104029944333627578}]';

  test("the edge's text arrives byte for byte", async () => {
    em.dispatch.outcome = { result: { listing: LISTING, truncated: false } };
    const response = await em.fetch("/em/files/list");
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.text()).toBe(`{"message":"Successfully listed files","data":${LISTING}}`);
  });

  test("a long one is streamed from staging, with its length, and goes then", async () => {
    const long = `[${Array.from({ length: 20_000 }, () => LISTING.slice(1, -1)).join(",")}]`;
    await em.stage(3, long);
    em.dispatch.outcome = { result: { content: { n: 3, size: long.length }, truncated: true } };
    const response = await em.fetch("/em/files/list");
    const text = await response.text();
    expect(response.headers.get("content-length")).toBe(String(text.length));
    expect(text).toBe(`{"message":"Successfully listed files","data":${long},"truncated":true}`);
    await untilNothingIsStaged();
  });
});
