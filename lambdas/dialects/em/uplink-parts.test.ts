import { posix } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { EmServer } from "#test/support/em-server.ts";
import { dest, file, multipart, type Part, pod } from "#test/support/uplink-form.ts";

let em: EmServer;
beforeEach(async () => {
  em = await EmServer.start();
});
afterEach(() => em.stop());

const PATH = "/em/files/uplink";

async function uplink(parts: Part[] | string | Buffer, headers: Record<string, string> = {}, query = "") {
  const response = await em.fetch(`${PATH}${query}`, {
    method: "POST",
    body: Buffer.from(Array.isArray(parts) ? multipart(parts) : (parts as string)),
    headers: { "content-type": "multipart/form-data; boundary=B", ...headers },
  });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  };
}

/** A field as python-requests sends one of `files=` */
const as = (name: string, text: string, file = name) => ({ name, file, text });

describe("fields are understood", () => {
  test.each<[string, Part[], string]>([
    ["fields sent as files", [as("pod_name", "pod-a"), as("dest_path", "x"), file("a")], ""],
    [
      "fields sent as files, after them",
      [file("a"), as("dest_path", "x", "blob"), as("pod_name", "pod-a")],
      "",
    ],
    ["fields in the query", [file("a")], "?pod_name=pod-a&dest_path=x"],
    ["the same in both", [file("a"), pod("pod-a"), dest("x")], "?pod_name=pod-a&dest_path=x"],
    ["a field twice, the same", [pod("pod-a"), pod(""), pod("pod-a"), dest("x"), file("a")], ""],
  ])("%s", async (_name, parts, query) => {
    expect(await uplink(parts, {}, query)).toMatchObject({ status: 200, body: { data: { file_count: 1 } } });
    expect(em.dispatch.uploads).toMatchObject([{ volume: "pod-a", files: [{ path: "x/a" }] }]);
  });
});

describe("what is refused", () => {
  afterEach(async () => {
    expect(em.dispatch.uploads).toEqual([]);
    expect(await em.staged()).toEqual([]);
  });

  test.each<[string, RegExp, Part[], string?]>([
    ["two values of pod_name", /^pod_name: has two values/, [pod("a"), file("f"), pod("b")]],
    [
      "two values, one in the query",
      /^pod_name: has two values/,
      [file("f"), as("pod_name", "b")],
      "?pod_name=a",
    ],
    ["a name that is nearly one of ours", /^podName: /, [file("f"), { name: "podName", text: "a" }]],
    ["such a name in the query", /^dest-path: /, [file("f")], "?dest-path=x"],
    ["a field in brackets", /^pod_name\[\]: /, [file("f"), { name: "pod_name[]", text: "a" }]],
    [
      "files without a filename, after one",
      /^Part 2 .*"files".*filename/,
      [file("f"), { name: "files", text: "x" }],
    ],
    [
      "files without a filename, before one",
      /^Part 1 .*files.*filename/,
      [{ name: "files[]", text: "x" }, file("f")],
    ],
    [
      "a file of another disposition",
      /^Part 2 .*attachment/,
      [file("f"), { disposition: 'attachment; name="files"; filename="g"', text: "x" }],
    ],
    [
      "parts within a part",
      /^Part 2 .*parts within/,
      [file("f"), { file: "g", text: "x", type: "multipart/mixed; boundary=in" }],
    ],
    [
      "a field in another character set",
      /^Part 2 .*UTF-8/,
      [file("f"), { name: "pod_name", text: "pöd", type: "text/plain; charset=iso-8859-1" }],
    ],
    ["a name in the query that is not UTF-8", /^pod_name: must be UTF-8/, [file("f")], "?pod_name=%FF"],
  ])("%s", async (_name, message, parts, query) => {
    const { status, body } = await uplink(parts, {}, query);
    expect([status, body]).toEqual([
      400,
      { error: "INVALID_PARAMETERS", message: expect.stringMatching(message) },
    ]);
  });

  test("bytes that are not UTF-8, in a file's name and in a field", async () => {
    for (const parts of [
      [file("ok"), file("caf\xe9")],
      [file("ok"), dest("caf\xe9")],
    ]) {
      const body = Buffer.from(multipart(parts), "latin1");
      expect(await uplink(body)).toMatchObject({
        status: 400,
        body: { message: expect.stringMatching(/^Part 2 .*must be UTF-8/) },
      });
    }
  });

  test("a body that is encoded", async () => {
    for (const [name, value] of [
      ["content-encoding", "gzip"],
      ["content-transfer-encoding", "base64"],
      ["content-range", "bytes 0-9/20"],
    ] as const) {
      expect(await uplink([file("a")], { [name]: value })).toMatchObject({
        status: 415,
        body: { error: "UNSUPPORTED_MEDIA_TYPE", message: expect.stringContaining(name) },
      });
    }
  });

  test("names that aiohttp has encoded, which from others are names", async () => {
    const named = [file("na%C3%AFve%20%E2%82%AC.txt")];
    const { status, body } = await uplink(named, { "user-agent": "Python/3.11 aiohttp/3.14.5" });
    expect([status, body.message]).toEqual([400, expect.stringContaining("quote_fields=False")]);
  });
});

test("any parts, of any names and encodings: all that was sent is stored exactly, or nothing is", async () => {
  const names = fc.constantFrom(
    "files",
    "files[]",
    "file",
    "pod_name",
    "dest_path",
    "podName",
    "x",
    "files\u00e9",
  );
  const content = fc.string({ unit: "binary-ascii", maxLength: 20 });
  const fileName = fc.oneof(
    fc.stringMatching(/^[a-z]{1,3}(\/[a-z]{1,3})?$/),
    fc.string({ maxLength: 4 }).filter((text) => !/["%]/.test(text)),
    fc.constantFrom("", "a%20b", "é"),
  );
  const further = fc.constantFrom<string[][]>(
    [],
    [],
    [],
    ["Content-Type: text/plain; charset=latin1"],
    ["Content-Type: multipart/mixed; boundary=x"],
    ["Content-Transfer-Encoding: base64"],
    ["Content-Transfer-Encoding: binary"],
    ["nonsense"],
  );
  const part = fc.record({
    disposition: fc.constantFrom("form-data", "form-data", "form-data", "Form-Data", "attachment"),
    name: names,
    fileName: fc.option(fileName, { nil: undefined }),
    content,
    further,
    encoding: fc.constantFrom("utf8", "utf8", "latin1") as fc.Arbitrary<BufferEncoding>,
  });
  await fc.assert(
    fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 4 }), async (parts) => {
      em.dispatch.uploads.length = 0;
      const body = parts.map(({ disposition, name, fileName, content, further, encoding }) => {
        const head = [
          `Content-Disposition: ${disposition}; name="${name}"${fileName === undefined ? "" : `; filename="${fileName}"`}`,
          ...further,
        ].join("\r\n");
        return Buffer.concat([
          Buffer.from(`--B\r\n${head}\r\n\r\n`, encoding),
          Buffer.from(`${content}\r\n`, "latin1"),
        ]);
      });
      const { status } = await uplink(Buffer.concat([...body, Buffer.from("--B--\r\n")]));
      if (status !== 200) {
        expect([400, 403]).toContain(status);
        expect(em.dispatch.uploads).toEqual([]);
        return;
      }
      const fields = ["pod_name", "dest_path"];
      const given = (field: string) =>
        parts.findLast(({ name, content }) => name === field && content !== "")?.content;
      const sent = new Map<string, string>();
      for (const { name, fileName, content, disposition, further } of parts) {
        expect(disposition.toLowerCase()).toBe("form-data");
        expect(further.join().includes("base64") || further.includes("nonsense")).toBe(false);
        expect(name).not.toBe("podName");
        if (fields.includes(name)) continue;
        if (fileName) sent.set(posix.join(given("dest_path") ?? "", fileName), content);
        else if (name.startsWith("files") && !name.endsWith("é")) expect(content).toBe("");
      }
      const [{ volume, prefix, files }] = em.dispatch.uploads as [(typeof em.dispatch.uploads)[0]];
      expect(volume).toBe(given("pod_name") ?? "default");
      const stored = await Promise.all(
        files.map(async ({ n, path }) => {
          const { body: object } = await em.staging.get(`${prefix}${n}`);
          return [path, Buffer.concat(await object.toArray()).toString("latin1")] as const;
        }),
      );
      const clean = [...sent].map(([path, text]) => [path.replaceAll("\\\\", "\\"), text] as const);
      expect(new Map(stored)).toEqual(new Map(clean));
    }),
    { numRuns: 150 },
  );
});
