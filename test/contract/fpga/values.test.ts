import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { detail, listed, removeImages } from "./support/images.ts";
import { type User, user } from "./support/session.ts";

let me: User;
beforeAll(async () => {
  me = await user();
});
afterAll(() => removeImages(me));

const UUID = "0b5ee0d5-7e2f-4f6c-9a37-6f1b0f0c2a11";
const ID = "0123456789abcdef0123456789abcdef";
const metadataOf = (length: number) => ({ k: "x".repeat(length - 8) });

/** Values that are accepted, then those that are refused with Ecs.0005; each in place of a field that is right. */
const FIELDS: Record<string, { accepted: unknown[]; refused: unknown[] }> = {
  location: {
    accepted: [
      ...["abc", "a--b", "1.2.3", "1.2.3.256", "999.1.1.1", "a.b-c", "a".repeat(63)].map((b) => `${b}:f.bin`),
      ...[".bin", "a/b.bin", "/a.bin", "../a.bin", "a//b.bin", "xclbin", "axclbin", "a.xclbin"].map(
        (file) => `abc:${file}`,
      ),
      `abc:${"a".repeat(60)}.bin`,
    ],
    refused: [
      ...[
        "-ab",
        "ab.",
        "A-b",
        "a_b",
        "ab",
        "a".repeat(64),
        "a..b",
        "a.-b",
        "a-.b",
        "1.2.3.4",
        "01.2.3.4",
      ].map((bucket) => `${bucket}:f.bin`),
      ...["bin", "abin", "a.BIN", "a.bin.gz", "a b.bin", "a%.bin", "é.bin", "a:b.bin", "a.bin\n"].map(
        (file) => `abc:${file}`,
      ),
      `abc:${"a".repeat(61)}.bin`,
      "abc",
      ":f.bin",
      "abc:",
      "",
      7,
      null,
      ["abc:f.bin"],
      undefined,
    ],
  },
  name: {
    accepted: ["-", "_", "a", "A9_-", "a".repeat(64)],
    refused: ["", "a".repeat(65), "a.b", "a b", "a\n", "é", 7, null, {}, undefined],
  },
  metadata: {
    accepted: [{}, { a: [1, { b: null }] }, metadataOf(1024)],
    refused: ["{}", [], null, 7, metadataOf(1025), undefined],
  },
  description: {
    accepted: [undefined, null, "", "a-b_c., D9", "a".repeat(255)],
    refused: ["a".repeat(256), "a!", "(a)", "a\n", "\n", "测试", 7, {}, []],
  },
};

const register = (body: string) => me.ask("POST", me.base, { body });
const bodyWith = (field: string, value: unknown) =>
  JSON.stringify({ fpga_image: { location: "abc:f.bin", name: "n", metadata: {}, [field]: value } });
const code = (text: string) => (JSON.parse(text) as { error: { code: string; message: string } }).error;
const count = async () => (await listed(me)).count;

describe("a registration", () => {
  it("answers the page's example byte for byte, but for the id", async () => {
    const body = `{
  "fpga_image": {
    "location": "obs-fpga:fpga.bin",
    "name": "fpga-image-test",
    "description": "fpga description",
    "metadata": {
      "shell_type": "OCL",
      "shell_version": "1.0"
    }
  }
}`;
    const types: Record<string, string>[] = [
      {},
      { "content-type": "application/json" },
      { "content-type": "application/json;charset=utf8" },
    ];
    for (const headers of types) {
      const answer = await me.ask("POST", me.base, { body, headers });
      expect(answer.status).toBe(200);
      expect(answer.headers["content-type"]).toBe("application/json");
      expect(answer.text).toMatch(/^\{"fpga_image":\{"status":"saving","id":"[0-9a-f]{32}"\}\}$/);
      const { id } = (JSON.parse(answer.text) as { fpga_image: { id: string } }).fpga_image;
      expect(await detail(me, id)).toMatchObject({
        id,
        name: "fpga-image-test",
        description: "fpga description",
        protected: false,
        metadata: { shell_type: "OCL", shell_version: "1.0" },
        log_directory: "obs-fpga:fpga-log",
      });
    }
  });

  it.each(Object.entries(FIELDS))("keeps the rules of %s", async (field, { accepted, refused }) => {
    const before = await count();
    for (const value of refused) {
      const { status, text } = await register(bodyWith(field, value));
      expect([status, code(text).code], JSON.stringify(value)).toEqual([400, "Ecs.0005"]);
      expect(code(text).message, JSON.stringify(value)).toContain(field);
    }
    expect(await count()).toBe(before);
    for (const value of accepted) {
      const { status, text } = await register(bodyWith(field, value));
      expect(status, `${JSON.stringify(value)} ${text}`).toBe(200);
    }
  });

  it.each([
    ["", 400, "Common.0002"],
    [" \n", 400, "Common.0002"],
    ["{", 400, "Ecs.0005"],
    ["[]", 400, "Ecs.0005"],
    ["null", 400, "Ecs.0005"],
    ["{}", 400, "Ecs.0005"],
    ['{"fpga_image":[]}', 400, "Ecs.0005"],
    ['{"fpga_image":"{}"}', 400, "Ecs.0005"],
    ['{"fpga_image":{"location":"abc:f.bin","name":"n","metadata":{"a":1,"a":2}}}', 400, "Ecs.0005"],
    [`${"[".repeat(100_000)}${"]".repeat(100_000)}`, 400, "Ecs.0005"],
    [`{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`, 400, "Ecs.0005"],
    ["x".repeat(1_048_577), 413, "Perigee.BODY_TOO_LARGE"],
  ])("refuses the body %.20s", async (body, status, expected) => {
    const answer = await register(body);
    expect([answer.status, code(answer.text).code]).toEqual([status, expected]);
    if (expected === "Common.0002")
      expect(code(answer.text).message).toBe("The request body cannot be left blank.");
  });

  it("takes a body of a mebibyte in any type, and no preference", async () => {
    const { fpga_image } = JSON.parse(bodyWith("name", "large")) as { fpga_image: object };
    const text = JSON.stringify({ fpga_image, pad: "" });
    const body = text.replace('"pad":""', `"pad":"${"x".repeat(1_048_576 - text.length)}"`);
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
      const headers = { "content-type": type, prefer: "respond-async, wait=1" };
      const { status, text } = await me.ask("POST", me.base, { body, headers });
      expect([status, text], type).toEqual([
        200,
        expect.stringMatching(/^\{"fpga_image":\{"status":"saving"/),
      ]);
    }
  });

  it("gives metadata back as it came", async () => {
    const metadata = '{"z":12345678901234567890,"__proto__":{"a":1.0},"a":"\\u00e9"}';
    const body = `{"other":1,"fpga_image":{"location":"abc:f.bin","name":"n","metadata": ${metadata.replaceAll(",", " , ")},"x":1}}`;
    const { text } = await register(body);
    const { id } = (JSON.parse(text) as { fpga_image: { id: string } }).fpga_image;
    const shown = await me.ask("GET", `${me.base}/detail?fpga_image_id=${id}`);
    expect(shown.text).toContain(`"metadata":${metadata},`);
  });
});

describe("queries", () => {
  const PAGED = ["page=1&size=1", "page=01&size=100", "page=65534&size=1", "page=&size=", ""];
  const BROKEN = [
    "page=0&size=1",
    "page=65535&size=1",
    "page=+1&size=1",
    "page=%2B1&size=1",
    "page=-1&size=1",
    "page=1.0&size=1",
    "page=%201&size=1",
    "page=%D9%A1&size=1",
    "page=1&size=0",
    "page=1&size=101",
    "page=1",
    "size=1",
    "page=1&size=",
    "page=1&page=1&size=1",
    "page=1&size=1&size=1",
  ];
  it.each([
    ["detail", [...PAGED, `fpga_image_id=${ID}`, `fpga_image_id=${ID}&page=x&size=y`, "fpga_image_id="]],
    ["associations", [...PAGED, `image_id=${UUID}`, `image_id=${UUID}&page=1&size=1`]],
  ])("of %s are accepted", async (route, queries) => {
    for (const query of queries) {
      const { status, text } = await me.ask("GET", `${me.base}/${route}?${query}`);
      expect(status, `${query} ${text}`).toBe(200);
    }
  });

  it.each([
    ["detail", [...BROKEN, "fpga_image_id=1", `fpga_image_id=${ID.toUpperCase()}`, `fpga_image_id=${ID}0`]],
    [
      "associations",
      [
        ...BROKEN,
        ...["1", UUID.toUpperCase(), UUID.replaceAll("-", ""), `${UUID}%0A`].map((id) => `image_id=${id}`),
        `fpga_image_id=${ID}%0A`,
        `image_id=${UUID}&image_id=${UUID}`,
      ],
    ],
  ])("of %s are refused", async (route, queries) => {
    for (const query of queries) {
      const { status, text } = await me.ask("GET", `${me.base}/${route}?${query}`);
      expect([status, code(text).code], query).toEqual([400, "Ecs.0005"]);
    }
  });

  it("answer an unknown image with nothing in detail, and with 404 elsewhere", async () => {
    const { project, base } = me;
    const shown = await me.ask("GET", `${base}/detail?fpga_image_id=${ID}`);
    expect(shown.text).toBe('{"count":0,"fpgaimages":[]}');
    expect((await me.ask("GET", `${base}/associations`)).text).toBe('{"associations":[]}');
    const body = JSON.stringify({ image: { id: UUID } });
    for (const answer of [
      await me.ask("GET", `${base}/associations?fpga_image_id=${ID}`),
      await me.ask("GET", `${base}/associations?fpga_image_id=${ID}&image_id=${UUID}&page=x`),
      await me.ask("DELETE", `${base}/${ID}`),
      await me.ask("POST", `${base}/${ID}/association`, { body }),
      await me.ask("DELETE", `${base}/${ID}/association`, { body }),
    ]) {
      expect(answer.status).toBe(404);
      expect(JSON.parse(answer.text)).toEqual({
        error: { code: "Ecs.0031", message: `tenant [${project}] fpga image [${ID}] doesn't exist` },
      });
    }
  });
});
