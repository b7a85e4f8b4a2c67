import { describe, expect, it } from "vitest";
import type { PerigeeError } from "#protocol/errors.ts";
import { readAssociation, readRegistration } from "./read-body.ts";
import { errors } from "./refusals.ts";

const GOOD = { location: "obs-fpga:fpga.bin", name: "fpga-image-test", metadata: { shell_type: "OCL" } };

/** The answer to a body: what it asks for, or status, code and message. */
async function answer<T>(read: (body: Uint8Array) => T, body: string | Uint8Array) {
  try {
    return read(typeof body === "string" ? Buffer.from(body) : body);
  } catch (error) {
    const response = errors((error as PerigeeError).toFailure()) as Response;
    const told = (await response.json()) as { error: { code: string; message: string } };
    return [response.status, told.error.code, told.error.message];
  }
}
const register = (fields: object) =>
  answer(readRegistration, JSON.stringify({ fpga_image: { ...GOOD, ...fields } }));
const refused = (field: RegExp) => [400, "Ecs.0005", expect.stringMatching(field)];

describe("a registration", () => {
  it("is that of the contract's example", async () => {
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
    expect(await answer(readRegistration, body)).toEqual({
      bucket: "obs-fpga",
      key: "fpga.bin",
      name: "fpga-image-test",
      description: "fpga description",
      metadata: '{"shell_type":"OCL","shell_version":"1.0"}',
    });
  });

  it.each(["abc", "a--b", "1.2.3", "1.2.3.256", "999.1.1.1", "a.b-c", "1.2.3.4.5", "a".repeat(63)])(
    "takes the bucket %s",
    async (bucket) => {
      expect(await register({ location: `${bucket}:f.bin` })).toMatchObject({ bucket });
    },
  );

  it.each([
    "-ab",
    "ab.",
    "ab-",
    ".ab",
    "A-b",
    "a_b",
    "ab",
    "a".repeat(64),
    "a..b",
    "a.-b",
    "a-.b",
    "1.2.3.4",
    "01.2.3.4",
    "0000.0.0.255",
    "é-b",
    "",
  ])("refuses the bucket %j", async (bucket) => {
    expect(await register({ location: `${bucket}:f.bin` })).toEqual(refused(/^fpga_image\.location/));
  });

  it.each([
    ".bin",
    "a/b.bin",
    "/a.bin",
    "../a.bin",
    "a//b.bin",
    "xclbin",
    "axclbin",
    "a.xclbin",
    `${"a".repeat(60)}.bin`,
  ])("takes the file %s", async (key) => {
    expect(await register({ location: `abc:${key}` })).toMatchObject({ key });
  });

  it.each([
    "bin",
    "abin",
    "a.BIN",
    "a.bin.gz",
    "a b.bin",
    "a%2f.bin",
    "é.bin",
    "a:b.bin",
    `${"a".repeat(61)}.bin`,
    "a.bin\n",
    "",
  ])("refuses the file %j", async (key) => {
    expect(await register({ location: `abc:${key}` })).toEqual(refused(/^fpga_image\.location/));
  });

  it.each([undefined, null, 1, ["a:b.bin"], {}, "abc.bin"])("refuses the location %j", async (location) => {
    expect(await register({ location })).toEqual(refused(/^fpga_image\.location: is mandatory/));
  });

  it.each(["-", "a", "_".repeat(64)])("takes the name %s", async (name) => {
    expect(await register({ name })).toMatchObject({ name });
  });
  it.each(["", "a".repeat(65), "a.b", "a b", "a\n", "é", 1, null, undefined])(
    "refuses the name %j",
    async (name) => {
      expect(await register({ name })).toEqual(refused(/^fpga_image\.name/));
    },
  );

  it.each([undefined, null, "", "A-z_0., ", "a".repeat(255)])(
    "takes the description %j",
    async (description) => {
      expect(await register({ description })).toMatchObject({ description: description ?? "" });
    },
  );
  it.each(["a".repeat(256), "!", "(", "a\n", "\n", "描述", 1, {}, false])(
    "refuses the description %j",
    async (description) => {
      expect(await register({ description })).toEqual(refused(/^fpga_image\.description/));
    },
  );

  it.each([
    "{}",
    '{"b":1.10,"1":9007199254740993,"__proto__":{"x":-0e5}}',
    '{"a":"\\u0061"}',
    `{"a":"${"你".repeat(1016)}"}`,
    `{"a":"${"😀".repeat(1016)}"}`,
    `{"a":${"[".repeat(509)}${"]".repeat(509)}}`,
  ])("keeps the metadata as text: %s", async (metadata) => {
    const body = (text: string) => `{"fpga_image":{"location":"abc:a.bin","name":"n","metadata":${text}}}`;
    expect(await answer(readRegistration, body(metadata))).toMatchObject({ metadata });
    expect(await answer(readRegistration, body(` ${metadata.replace(/^\{/, "{ \n")}`))).toMatchObject({
      metadata,
    });
  });
  it.each([
    '"{}"',
    "[]",
    "null",
    "1",
    `{"a":"${"a".repeat(1017)}"}`,
    '{"a":1,"a":1}',
    '{"a":[{"b":1,"\\u0062":2}]}',
  ])("refuses the metadata %s", async (metadata) => {
    const body = `{"fpga_image":{"location":"abc:a.bin","name":"n","metadata":${metadata}}}`;
    expect(await answer(readRegistration, body)).toEqual(refused(/^fpga_image\.metadata/));
  });

  it("takes fields that it does not know", async () => {
    const body = JSON.stringify({ x: [{}], fpga_image: { ...GOOD, other: null }, y: 1 });
    expect(await answer(readRegistration, body)).toMatchObject({ name: GOOD.name });
  });

  it("refuses what is no such body", async () => {
    for (const blank of ["", " \n"]) {
      expect(await answer(readRegistration, blank)).toEqual([
        400,
        "Common.0002",
        "The request body cannot be left blank.",
      ]);
    }
    const deep = "[".repeat(500_000);
    for (const body of [
      "{",
      "[]",
      "null",
      '"x"',
      "{}",
      '{"fpga_image":null}',
      '{"fpga_image":[]}',
      "a=b",
      deep,
      `{"fpga_image":${deep}`,
      Buffer.of(0x7b, 0xff, 0x7d),
    ]) {
      expect(await answer(readRegistration, body)).toEqual([400, "Ecs.0005", expect.any(String)]);
    }
  });
});

describe("an association", () => {
  const uuid = "01234567-89ab-cdef-0123-456789abcdef";
  it("names a container image by its UUID", async () => {
    expect(await answer(readAssociation, JSON.stringify({ image: { id: uuid } }))).toBe(uuid);
    for (const id of [uuid.toUpperCase(), uuid.slice(1), `${uuid}\n`, uuid.replaceAll("-", ""), 1, null]) {
      expect(await answer(readAssociation, JSON.stringify({ image: { id } }))).toEqual(refused(/^image\.id/));
    }
    for (const body of ["{}", '{"image":[]}'])
      expect(await answer(readAssociation, body)).toEqual(refused(/^image/));
    expect(await answer(readAssociation, "")).toEqual([400, "Common.0002", expect.any(String)]);
  });
});
