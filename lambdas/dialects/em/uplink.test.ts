import { once } from "node:events";
import { request } from "node:http";
import type { Readable } from "node:stream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import { COMMAND_ID, EmServer } from "#test/support/em-server.ts";
import { RawConnection } from "#test/support/raw-http.ts";
import { dest, file, multipart, type Part, pod } from "#test/support/uplink-form.ts";

let em: EmServer;
beforeEach(async () => {
  em = await EmServer.start();
});
afterEach(() => em.stop());

const PATH = "/em/files/uplink";

async function uplink(parts: Part[] | string, headers: Record<string, string> = {}) {
  const response = await em.fetch(PATH, {
    method: "POST",
    body: Buffer.from(typeof parts === "string" ? parts : multipart(parts)),
    headers: { "content-type": "multipart/form-data; boundary=B", ...headers },
  });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  };
}

const paths = () => em.dispatch.uploads.at(-1)?.files.map(({ path }) => path);

describe("what arrives", () => {
  test("files, fields and the answer", async () => {
    const { status, body } = await uplink([
      pod("pod-a"),
      dest("./experiment-1/"),
      file("a.txt", "hello"),
      file("b", "w".repeat(2000)),
    ]);
    expect(status).toBe(200);
    expect(body).toEqual({
      message: "Successfully uplinked files",
      data: { file_count: 2, total_size_kb: 1.96 },
    });
    // the body's length bounds what is kept of the quota
    expect(em.dispatch.reservations).toEqual([
      {
        user: "client1",
        edge: "cg2",
        lane: "em",
        admission: "place",
        wait: { kind: "end" },
        bytes: expect.any(Number),
      },
    ]);
    const [upload] = em.dispatch.uploads;
    expect(upload).toMatchObject({
      volume: "pod-a",
      prefix: `uplink/client1/pod-a/${COMMAND_ID}/`,
      files: [
        { n: 0, path: "experiment-1/a.txt", size: 5, xxh64: "26c7827d889f6da3" },
        { n: 1, path: "experiment-1/b", size: 2000 },
      ],
    });
    const stored = await em.staging.get(`${upload!.prefix}0`);
    expect((await stored.body.toArray()).join("")).toBe("hello");
    expect(em.dispatch.abandoned).toEqual([]);
  });

  test("files before fields: staged under `_`, placed by the fields", async () => {
    await uplink([file("a/b.txt"), file("c"), dest("x"), pod("pod-a")]);
    expect(em.dispatch.uploads).toMatchObject([
      { volume: "pod-a", prefix: `uplink/client1/_/${COMMAND_ID}/` },
    ]);
    expect(paths()).toEqual(["x/a/b.txt", "x/c"]);
  });

  test("no fields: the default volume, its root", async () => {
    await uplink([file("a")]);
    expect(em.dispatch.uploads).toMatchObject([{ volume: "default", files: [{ path: "a" }] }]);
  });

  test("pvc_name names the volume, beside pod_name or instead of it", async () => {
    await uplink([pod("pod-a"), { name: "pvc_name", text: "vol-b" }, file("a")]);
    await uplink([{ name: "pvc_name", text: "vol-c" }, file("a")]);
    expect(em.dispatch.uploads.map(({ volume }) => volume)).toEqual(["vol-b", "vol-c"]);
  });

  test("empty fields are not given, unknown ones are ignored", async () => {
    const { status } = await uplink([pod(""), dest(""), { name: "user", text: "x" }, file("a")]);
    expect(status).toBe(200);
    expect(em.dispatch.uploads).toMatchObject([{ volume: "default", files: [{ path: "a" }] }]);
  });

  test("any part with a file name is a file, whatever its field and type", async () => {
    await uplink([
      { name: "upload", file: "a", text: "1" },
      { name: "files[]", file: "b", text: "2", type: "text/plain" },
    ]);
    expect(paths()).toEqual(["a", "b"]);
  });

  test.each([
    ["dir/sub/f.txt", "dir/sub/f.txt"],
    ["./dir//f", "dir/f"],
    ["a/../b", "b"],
    ["dir\\\\f", "dir\\f"],
    ["naïve €.txt", "naïve €.txt"],
    ["say %22hi%22%0d%0A 100%25", 'say "hi"\r\n 100%25'],
    [".hidden", ".hidden"],
    ["..x", "..x"],
    ["a b;c", "a b;c"],
    [`q\\"q`, 'q"q'],
  ])("the file name %j goes to %j", async (name, path) => {
    expect((await uplink([file(name)])).status).toBe(200);
    expect(paths()).toEqual([path]);
  });

  test("filename* of older clients", async () => {
    await uplink([{ disposition: "form-data; name=\"files\"; filename*=utf-8''na%C3%AFve.txt", text: "x" }]);
    expect(paths()).toEqual(["naïve.txt"]);
  });

  test("`..` of a file name may stay inside a dest_path that comes later", async () => {
    await uplink([file("../b"), dest("a/c")]);
    expect(paths()).toEqual(["a/b"]);
  });

  test("of two files for one path the last counts", async () => {
    const { body } = await uplink([file("a", "first"), file("b"), file("./a", "second!")]);
    expect(body.data).toEqual({ file_count: 2, total_size_kb: 0.01 });
    expect(em.dispatch.uploads[0]!.files).toMatchObject([
      { n: 2, path: "a", size: 7 },
      { n: 1, path: "b" },
    ]);
  });

  test("an empty file is a file; an empty file field is none", async () => {
    const { body } = await uplink([file("empty", ""), { file: "", text: "" }]);
    expect(body.data).toEqual({ file_count: 1, total_size_kb: 0 });
  });

  test("hundreds of small files in one piece, in order", async () => {
    const many = Array.from({ length: 700 }, (_, i) => file(`d/${i}`, `content ${i}`));
    const { body } = await uplink(many);
    expect(body.data).toMatchObject({ file_count: 700 });
    const { files, prefix } = em.dispatch.uploads[0]!;
    expect(files.map(({ path }) => path)).toEqual(many.map(({ file: name }) => name));
    for (const n of [0, 350, 699]) {
      const { body: stored } = await em.staging.get(`${prefix}${n}`);
      expect((await stored.toArray()).join("")).toBe(`content ${n}`);
    }
  });

  test("content that looks like a boundary stays content", async () => {
    const text = "a\r\n--\r\n--C--\r\n--BB".replace("--BB", "-B-").repeat(3);
    await uplink([file("a", text)]);
    const { prefix } = em.dispatch.uploads[0]!;
    expect((await (await em.staging.get(`${prefix}0`)).body.toArray()).join("")).toBe(text);
  });

  test("Prefer and the edge are passed on; 202 with Location when the wait ends first", async () => {
    em.dispatch.outcome = { accepted: true };
    const { status, headers, body } = await uplink([file("a")], {
      prefer: "respond-async",
      "perigee-edge": "cg3",
    });
    expect(em.dispatch.reservations).toMatchObject([
      { edge: "cg3", admission: "queue", wait: { kind: "none" } },
    ]);
    expect(status).toBe(202);
    expect(headers.get("location")).toBe(`/commands/${COMMAND_ID}`);
    expect(headers.get("preference-applied")).toBe("respond-async");
    expect(body).toMatchObject({ data: { command_id: COMMAND_ID, state: "queued", position: 3 } });
  });

  test("a failure on the edge is the answer", async () => {
    em.dispatch.outcome = { failure: { code: "STORAGE_FULL", message: "The disk is full" } };
    expect(await uplink([file("a")])).toMatchObject({ status: 507, body: { error: "STORAGE_FULL" } });
  });
});

describe("what is refused", () => {
  afterEach(async () => {
    expect(em.dispatch.uploads).toEqual([]);
    expect(await em.staged()).toEqual([]);
    expect(em.dispatch.abandoned).toHaveLength(em.dispatch.reservations.length);
  });

  const NO_FILES = {
    status: 400,
    body: { error: "NO_FILES", message: "No files were provided for uplink!" },
  };

  test.each<[string, Part[] | string]>([
    ["no parts", "--B--\r\n"],
    ["nothing", ""],
    ["fields only", [pod("a"), { name: "files", text: "./Dockerfile" }]],
    ["an empty file field", [{ file: "", text: "" }]],
  ])("%s: NO_FILES", async (_name, parts) => {
    expect(await uplink(parts)).toMatchObject(NO_FILES);
  });

  test.each(["z".repeat(70_000), "\0"])(
    "a file without a filename, alone: the message says so",
    async (text) => {
      const { body } = await uplink([pod("a"), { name: "files", text }]);
      expect(body).toEqual({
        error: "INVALID_PARAMETERS",
        message: expect.stringMatching(/^Part 2 .*"files".*must have a filename/),
      });
    },
  );

  test.each(["application/json", "application/x-www-form-urlencoded", "application/octet-stream", ""])(
    "a body of type %j: NO_FILES before a place is taken",
    async (type) => {
      expect(await uplink("{}", { "content-type": type })).toMatchObject(NO_FILES);
      expect(em.dispatch.reservations).toEqual([]);
    },
  );

  test.each<[string, number, string, Part[]]>([
    ["pod_name", 400, "INVALID_PARAMETERS", [pod("Not_A_Label"), file("a")]],
    ["pod_name after files", 400, "INVALID_PARAMETERS", [file("a"), pod("-a")]],
    ["pvc_name", 400, "INVALID_PARAMETERS", [{ name: "pvc_name", text: "9a" }, file("a")]],
    ["dest_path out", 403, "ILLEGAL_PATH", [dest("../x"), file("a")]],
    ["dest_path out after files", 403, "ILLEGAL_PATH", [file("a"), dest("a/../..")]],
    ["dest_path absolute", 403, "ILLEGAL_PATH", [dest("/etc"), file("a")]],
    ["a file name out", 403, "ILLEGAL_PATH", [file("../../evil")]],
    ["a file name out of dest_path and volume", 403, "ILLEGAL_PATH", [dest("a"), file("../../evil")]],
    ["a file name absolute", 403, "ILLEGAL_PATH", [file("/etc/passwd")]],
    ["a file name absolute, under dest_path", 403, "ILLEGAL_PATH", [dest("a"), file("/etc/passwd")]],
    ["a file name of dots", 400, "INVALID_PARAMETERS", [file("a/..")]],
    ["a file name that is a directory", 400, "INVALID_PARAMETERS", [file("a/")]],
    ["a file name too long", 400, "INVALID_PARAMETERS", [file("x".repeat(256))]],
    ["a path too long", 400, "INVALID_PARAMETERS", [file(`${"abc/".repeat(1100)}x`)]],
    ["a file without a name", 400, "INVALID_PARAMETERS", [file("", "content")]],
    ["a file that is another's directory", 400, "INVALID_PARAMETERS", [file("a/b"), file("a")]],
    ["a field too long", 400, "INVALID_PARAMETERS", [dest("x/".repeat(40_000)), file("a")]],
  ])("%s: %i %s", async (_name, status, error, parts) => {
    expect(await uplink(parts)).toMatchObject({ status, body: { error } });
  });

  test.each([
    ["cut in a file", multipart([file("ok", "whole"), file("a", "half")], "")],
    ["cut in a header", `${multipart([file("ok", "whole")], "")}\r\n--B\r\nContent-Dispo`],
    ["without a boundary line", "hello"],
  ])("a form %s: 400 INVALID_PARAMETERS", async (_name, body) => {
    expect(await uplink(body)).toMatchObject({ status: 400, body: { error: "INVALID_PARAMETERS" } });
  });

  test("more fields than any client sends", async () => {
    const many = Array.from({ length: 1001 }, () => ({ name: "x", text: "" }));
    expect(await uplink([...many, file("a")])).toMatchObject({
      status: 400,
      body: { error: "INVALID_PARAMETERS" },
    });
  });

  test("a file more than 10,000: TOO_MANY_FILES", async () => {
    em.staging.put = async (_key, body) => {
      await (body as Readable).toArray();
      return { size: 0, xxh64: "0".repeat(16) };
    };
    const many = Array.from({ length: LIMITS.uplinkFiles + 1 }, (_, i) => file(`${i}`, ""));
    expect(await uplink(many)).toMatchObject({ status: 400, body: { error: "TOO_MANY_FILES" } });
  });

  test("over the quota: 507 QUOTA_EXCEEDED", async () => {
    em.dispatch.allowance = 100_000;
    const parts = [file("a", "x".repeat(60_000)), file("b", "x".repeat(60_000))];
    expect(await uplink(parts)).toMatchObject({ status: 507, body: { error: "QUOTA_EXCEEDED" } });
  });

  test("an unknown edge: 404 before a place is taken", async () => {
    expect(await uplink([file("a")], { "perigee-edge": "other" })).toMatchObject({
      status: 404,
      body: { error: "EDGE_NOT_FOUND" },
    });
    expect(em.dispatch.reservations).toEqual([]);
  });

  test("a disk that is full on the ground: 507, and the cause does not show", async () => {
    em.staging.put = async () => {
      throw new PerigeeError("STORAGE_FULL", "No space", { cause: new Error("/secret/path") });
    };
    const { status, body } = await uplink([file("a"), file("b", "x".repeat(3_000_000))]);
    expect({ status, body }).toEqual({ status: 507, body: { error: "STORAGE_FULL", message: "No space" } });
  });

  test("a fault of ours: 500 with the command's id", async () => {
    em.staging.put = async () => {
      throw new Error("boom");
    };
    expect(await uplink([file("a")])).toMatchObject({
      status: 500,
      body: { error: "INTERNAL_ERROR", message: "Internal error", command_id: COMMAND_ID },
    });
  });
});

describe("large and broken bodies", () => {
  const head = (headers: string[]) =>
    [
      `POST ${PATH} HTTP/1.1`,
      "Host: x",
      "Content-Type: multipart/form-data; boundary=B",
      ...headers,
      "",
      "",
    ].join("\r\n");

  test("a Content-Length over the bound is refused unread", async () => {
    const raw = await RawConnection.open(em.port);
    await raw.write(head([`Content-Length: ${LIMITS.uplinkBodyBytes + 1}`]));
    await raw.until(
      /^HTTP\/1\.1 400 [\s\S]*"error":"MAX_UPLINK_SIZE_EXCEEDED","message":"Total upload size exceeds 2 GB"/,
    );
    expect(em.dispatch.reservations).toEqual([]);
    raw.close();
  });

  test("a busy edge refuses before the 100, without reading", async () => {
    em.dispatch.refusal = new PerigeeError("LOCKED", "CG2 is busy", { data: { data: { since: "x" } } });
    const raw = await RawConnection.open(em.port);
    await raw.write(head(["Content-Length: 1000000", "Expect: 100-continue"]));
    await raw.until(/^HTTP\/1\.1 423 [\s\S]*retry-after: \d+[\s\S]*"error":"LOCKED"/i);
    expect(raw.text).not.toContain("100 Continue");
    raw.close();
  });

  test("a refusal in the middle is answered while the client sends, and nothing stays", async () => {
    const raw = await RawConnection.open(em.port);
    const total = 8 << 20;
    await raw.write(head([`Content-Length: ${total}`]));
    const start = multipart([dest("../x"), file("a", "")], "");
    await raw.write(start);
    await raw.until(/^HTTP\/1\.1 403 [\s\S]*ILLEGAL_PATH/);
    // it sends all the rest all the same: no reset eats the answer
    const rest = Buffer.alloc(total - start.length, "x");
    expect(await raw.write(rest)).toBe(true);
    await raw.untilClosed();
    expect(await em.staged()).toEqual([]);
    expect(em.dispatch.abandoned).toMatchObject([{ code: "ILLEGAL_PATH" }]);
    raw.close();
  });

  test("a client that goes away half way leaves nothing in staging", async () => {
    const raw = await RawConnection.open(em.port);
    await raw.write(head(["Content-Length: 100000000"]));
    await raw.write(multipart([file("whole", "x".repeat(100_000)), file("half", "y".repeat(3_000_000))], ""));
    raw.socket.destroy();
    expect(await em.dispatch.nextAbandon()).toMatchObject({ code: "INVALID_PARAMETERS" });
    expect(await em.staged()).toEqual([]);
    expect(em.dispatch.uploads).toEqual([]);
  });

  test("files over 2 GiB together are refused by counting", async () => {
    // only the counting is of interest: what is stored is thrown away
    em.staging.put = async (_key, body) => {
      for await (const _chunk of body as Readable);
      return { size: 0, xxh64: "0".repeat(16) };
    };
    const upload = request(`${em.url}${PATH}`, {
      method: "POST",
      headers: { "content-type": "multipart/form-data; boundary=B", "transfer-encoding": "chunked" },
    });
    const answered = once(upload, "response");
    let sent = 0;
    const chunk = Buffer.alloc(1 << 20, "x");
    upload.write(multipart([file("a", "")], ""));
    let done = false;
    answered.finally(() => {
      done = true;
    });
    while (!done && sent <= LIMITS.uplinkBytes) {
      sent += chunk.length;
      if (!upload.write(chunk)) await Promise.race([once(upload, "drain"), answered]);
    }
    upload.on("error", () => {});
    const [response] = await answered;
    expect(response.statusCode).toBe(400);
    expect(JSON.parse((await response.toArray()).join(""))).toEqual({
      error: "MAX_UPLINK_SIZE_EXCEEDED",
      message: "Total upload size exceeds 2 GB",
    });
    upload.destroy();
    expect(em.dispatch.abandoned).toMatchObject([{ code: "MAX_UPLINK_SIZE_EXCEEDED" }]);
  });

  test("without a Node server (a web request) it works the same", async () => {
    const response = await em.app.request(PATH, {
      method: "POST",
      body: multipart([file("a", "hello"), dest("x")]),
      headers: { "content-type": "multipart/form-data; boundary=B" },
    });
    expect(await response.json()).toMatchObject({ data: { file_count: 1 } });
    expect(paths()).toEqual(["x/a"]);
  });
});
