import { Readable } from "node:stream";
import { extract } from "tar-stream";
import { beforeAll, describe, expect, it } from "vitest";
import { type Answer, type Client, type Query, queryText } from "./support/client.ts";
import { expectInvalid, expectRefusal } from "./support/expectations.ts";
import { output, run } from "./support/pods.ts";
import { named, other, user } from "./support/session.ts";

let client: Client;
const volume = named("down");
const large = Buffer.from(Uint8Array.from({ length: 4_000_001 }, (_, i) => (i * 31 + (i >> 8)) % 256));

beforeAll(async () => {
  client = await user();
  await client.uplink(
    { "a.txt": "0123456789", empty: "", "large.bin": large, "dir/sub/b.txt": "b", "dir/c.txt": "cc" },
    { pod_name: volume },
  );
  await run(client, volume, {
    command:
      "cd /data && ln -s /etc/passwd out && ln -s / root && ln -s a.txt in && ln -s dir dirlink && mkfifo pipe && ln -s a.txt dir/link && mkfifo dir/pipe",
  });
  await output(client, volume);
});

const get = (filepath: string, headers: Record<string, string> = {}, query: Query = {}) =>
  client.get("/em/files/downlink", { filepath, pod_name: volume, ...query }, { headers });

describe("HEAD", () => {
  const HEADERS = ["content-type", "content-length", "content-disposition", "content-range", "accept-ranges"];
  /** A refusal's length may be left out, and is. */
  const headOf = (answer: Answer) => [
    answer.status,
    ...HEADERS.map((name) =>
      answer.status < 400 || name !== "content-length" ? answer.header(name) : "any",
    ),
  ];

  it.each([
    ["a file", "a.txt", {}],
    ["an empty file", "empty", {}],
    ["a part of a file", "a.txt", { range: "bytes=2-4" }],
    ["a range that there is not", "a.txt", { range: "bytes=20-" }],
    ["a directory", "dir/sub", {}],
    ["nothing", "missing", {}],
    ["a path out of the volume", "../a.txt", {}],
  ])("of %s answers as GET does, without the bytes", async (_what, filepath, headers) => {
    const path = `/em/files/downlink${queryText({ filepath, pod_name: volume })}`;
    const head = await client.request("HEAD", path, { headers });
    expect(head.bytes).toHaveLength(0);
    expect(headOf(head)).toEqual(headOf(await get(filepath, headers)));
  });

  it("of what a command brought down, too, which stays", async () => {
    const { command_id } = (await get("large.bin", { prefer: "respond-async" })).json.data;
    let state: string;
    do state = (await client.get(`/commands/${command_id}`, { wait: 20 })).json.data.state;
    while (state === "queued" || state === "running");
    const path = `/commands/${command_id}/content`;
    const head = await client.request("HEAD", path);
    expect([head.status, head.header("content-length")]).toEqual([200, String(large.length)]);
    const whole = await client.get(path);
    expect(headOf(head)).toEqual(headOf(whole));
    expect(whole.bytes.equals(large)).toBe(true);
  });
});

describe("a file", () => {
  it("comes with its length, name and ETag", async () => {
    const answer = await get("a.txt");
    expect(answer.status).toBe(200);
    expect(answer.text).toBe("0123456789");
    expect(answer.header("content-length")).toBe("10");
    expect(answer.header("content-disposition")).toBe('attachment; filename="a.txt"');
    expect(answer.header("etag")).toMatch(/^(?:W\/)?"[^"]+"$/);
    expect(answer.header("x-content-type-options")).toBe("nosniff");
  });

  it.each(["a.txt", "empty", "large.bin", "dir"])("HEAD of %s answers as GET does", async (filepath) => {
    const head = await client.request(
      "HEAD",
      `/em/files/downlink?${new URLSearchParams({ filepath, pod_name: volume })}`,
    );
    const answer = await get(filepath);
    expect([head.status, head.bytes.length]).toEqual([200, 0]);
    for (const name of ["content-length", "content-type", "content-disposition", "etag", "accept-ranges"]) {
      expect([name, head.header(name)]).toEqual([name, answer.header(name)]);
    }
  });

  it.each(["./a.txt", "dir/../a.txt", "dir//.././a.txt"])("is found as %s", async (path) => {
    expect((await get(path)).text).toBe("0123456789");
  });

  it("comes whole when it is large, and empty when it is empty", async () => {
    const answer = await get("large.bin");
    expect(answer.header("content-length")).toBe(String(large.length));
    expect(answer.bytes.equals(large)).toBe(true);
    const empty = await get("empty");
    expect([empty.status, empty.header("content-length"), empty.bytes.length]).toEqual([200, "0", 0]);
  });

  it("carries only the last part of its path as a name", async () => {
    expect((await get("dir/sub/b.txt")).header("content-disposition")).toBe('attachment; filename="b.txt"');
  });

  it("with a name outside ASCII gets filename* beside filename", async () => {
    await client.uplink({ "Bild ü漢.txt": "x" }, { pod_name: volume });
    const header = (await get("Bild ü漢.txt")).header("content-disposition")!;
    expect(header).toMatch(/^attachment; filename="[\x20-\x7e]*"; filename\*=UTF-8''/);
    expect(decodeURIComponent(header.split("UTF-8''")[1]!)).toBe("Bild ü漢.txt");
  });

  it("has an ETag that changes with its content only", async () => {
    await client.uplink({ "tag.txt": "one" }, { pod_name: volume });
    const first = (await get("tag.txt")).header("etag");
    expect((await get("tag.txt")).header("etag")).toBe(first);
    await client.uplink({ "tag.txt": "two" }, { pod_name: volume });
    expect((await get("tag.txt")).header("etag")).not.toBe(first);
  });

  it("without pod_name comes from the default volume", async () => {
    const name = named("default.txt");
    await client.uplink({ [name]: "d" });
    expect((await client.get("/em/files/downlink", { filepath: name })).text).toBe("d");
    await client.form("/em/files/delete", { filepath: name });
    expect((await get("a.txt", {}, { pod_name: "nothing-here", pvc_name: volume })).text).toBe("0123456789");
  });
});

describe("a range", () => {
  it.each([
    ["bytes=2-4", "234", "bytes 2-4/10"],
    ["bytes=7-", "789", "bytes 7-9/10"],
    ["bytes=-3", "789", "bytes 7-9/10"],
    ["bytes=0-99", "0123456789", "bytes 0-9/10"],
    ["bytes=-99", "0123456789", "bytes 0-9/10"],
  ])("%s is 206", async (range, text, told) => {
    const answer = await get("a.txt", { range });
    expect([answer.status, answer.text]).toEqual([206, text]);
    expect(answer.header("content-range")).toBe(told);
    expect(answer.header("content-length")).toBe(String(text.length));
  });

  it.each(["bytes=10-", "bytes=99-100", "bytes=-0"])("%s is 416", async (range) => {
    const answer = await get("a.txt", { range });
    expectRefusal(answer, 416, "RANGE_NOT_SATISFIABLE");
    expect(answer.header("content-range")).toBe("bytes */10");
  });

  it.each(["bytes=4-2", "lines=1-2", "bytes=a-b", "nonsense"])("%s is ignored", async (range) => {
    const answer = await get("a.txt", { range });
    expect([answer.status, answer.text]).toEqual([200, "0123456789"]);
  });

  it("goes on after a break only when the file is still the same", async () => {
    const etag = (await get("a.txt")).header("etag")!;
    const same = await get("a.txt", { range: "bytes=5-", "if-range": etag });
    expect([same.status, same.text]).toEqual([206, "56789"]);
    const changed = await get("a.txt", { range: "bytes=5-", "if-range": '"another"' });
    expect([changed.status, changed.text]).toEqual([200, "0123456789"]);
  });

  it("of a large file is exactly those bytes", async () => {
    const answer = await get("large.bin", { range: "bytes=1234567-3456789" });
    expect(answer.status).toBe(206);
    expect(answer.bytes.equals(large.subarray(1234567, 3456790))).toBe(true);
  });
});

/** The files of a directory's tar. */
async function filesOf({ bytes }: Answer): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  const reader = extract();
  Readable.from([bytes]).pipe(reader);
  for await (const entry of reader) {
    let text = "";
    for await (const chunk of entry) text += chunk;
    if (entry.header.type !== "directory")
      files[entry.header.name.replace(/^\.\/|^(dir|since)\//, "")] = text;
  }
  return files;
}

describe("a directory", () => {
  it("comes as a tar stream, without links and special files", async () => {
    const answer = await get("dir");
    expect(answer.status).toBe(200);
    expect(answer.header("content-disposition")).toBe('attachment; filename="dir.tar"');
    expect(answer.header("content-length")).toBe(String(answer.bytes.length));
    expect(await filesOf(answer)).toEqual({ "sub/b.txt": "b", "c.txt": "cc" });
  });

  it("comes as what changed since an earlier downlink, with what is gone", async () => {
    const directory = "since";
    await client.uplink(
      { [`${directory}/gone`]: "1", [`${directory}/kept`]: "1", [`${directory}/changed`]: "1" },
      { pod_name: volume },
    );
    const whole = await get(directory);
    const since = whole.header("perigee-listing")!;
    expect([whole.status, whole.header("perigee-since"), since]).toEqual([
      200,
      undefined,
      expect.any(String),
    ]);
    await client.encoded("/em/files/delete", { pod_name: volume, filepath: `${directory}/gone` });
    await client.uplink({ [`${directory}/changed`]: "two" }, { pod_name: volume });
    const answer = await get(directory, { "perigee-since": since });
    expect([answer.status, answer.header("perigee-since")]).toEqual([200, since]);
    const { ".perigee-changes.json": manifest, ...files } = await filesOf(answer);
    expect(files).toEqual({ changed: "two" });
    const listing = answer.header("perigee-listing");
    expect(listing).not.toBe(since);
    expect(JSON.parse(manifest!)).toMatchObject({ since, listing, gone: ["gone"] });
  });

  it("is also the volume's root", async () => {
    const answer = await get(".");
    expect(answer.status).toBe(200);
    expect(answer.header("content-disposition")).toMatch(/filename="[^"]+\.tar"/);
    expect(answer.bytes.includes("a.txt")).toBe(true);
  });
});

describe("refusals", () => {
  it("no filepath is 400", async () => {
    expectInvalid(await client.get("/em/files/downlink", { pod_name: volume }), "filepath");
    expectInvalid(await get(""), "filepath");
  });

  it.each([
    "..",
    "../a.txt",
    "dir/../../a.txt",
    "/etc/passwd",
    "/a.txt",
    "/",
    "out",
    "root/etc/passwd",
    "root",
  ])("%s leads out: 403", async (path) => {
    expectRefusal(await get(path), 403, "ILLEGAL_PATH");
  });

  it.each(["missing", "dir/missing", "missing/a.txt", "a.txt/b", "dir/a.txt"])(
    "%s is missing: 404",
    async (path) => {
      expectRefusal(await get(path), 404, "FILE_NOT_FOUND");
    },
  );

  it("in an unused volume everything is missing", async () => {
    expectRefusal(await get("a.txt", {}, { pod_name: named("unused") }), 404, "FILE_NOT_FOUND");
  });

  it("what is no file is 400, without waiting for it", async () => {
    expectRefusal(await get("pipe"), 400, "INVALID_PATH");
  });

  it("a link never leads to another user's files", async () => {
    const answer = await (await other()).get("/em/files/downlink", { filepath: "a.txt", pod_name: volume });
    expectRefusal(answer, 404, "FILE_NOT_FOUND");
  });
});
