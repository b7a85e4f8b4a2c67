import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ownImage, parseReference, runnableImage } from "./image-reference.ts";

const refused = expect.objectContaining({
  code: "INVALID_PARAMETERS",
  message: expect.stringMatching(/^image: /),
});
const DIGEST = `sha256:${"a".repeat(64)}`;

describe("parseReference", () => {
  test.each<[string, ReturnType<typeof parseReference>]>([
    ["echo-test", { path: "echo-test", tag: "latest" }],
    ["python:3.11-alpine", { path: "python", tag: "3.11-alpine" }],
    ["team/app", { path: "team/app", tag: "latest" }],
    ["a/b/c:T_1", { path: "a/b/c", tag: "T_1" }],
    ["ghcr.io/a/b:1", { domain: "ghcr.io", path: "a/b", tag: "1" }],
    ["localhost/a", { domain: "localhost", path: "a", tag: "latest" }],
    ["localhost:5000/a:1", { domain: "localhost:5000", path: "a", tag: "1" }],
    ["REG/a", { domain: "REG", path: "a", tag: "latest" }],
    ["[::1]:5000/a", { domain: "[::1]:5000", path: "a", tag: "latest" }],
    [`a@${DIGEST}`, { path: "a", digest: DIGEST }],
    [`h.io/a:1@${DIGEST}`, { domain: "h.io", path: "a", tag: "1", digest: DIGEST }],
    ["a.b_c__d---e", { path: "a.b_c__d---e", tag: "latest" }],
    ["my.app:5000", { path: "my.app", tag: "5000" }],
  ])("%s", (text, expected) => {
    expect(parseReference(text)).toEqual(expected);
  });

  test.each([
    "",
    " ",
    "A",
    "Foo/Bar:x:y",
    "a:",
    "a:.x",
    "-a",
    "a-",
    "a..b",
    "a___b",
    "a//b",
    "/a",
    "a/",
    "a b",
    "a:b c",
    "a\n",
    "a\nb",
    "a@sha256:abc",
    "a@x",
    "a:1:2",
    `a:${"x".repeat(129)}`,
    "x".repeat(256),
    "ä",
    "a;b",
    "../a",
    "a/../b",
    "http://a/b",
    "x".repeat(1_000_000),
  ])("refuses %j", (text) => {
    expect(parseReference(text)).toBeUndefined();
    expect(() => runnableImage("image", text)).toThrow(refused);
  });

  test("an image id is a name like any other", () => {
    expect(parseReference("5f70bf18a086")).toEqual({ path: "5f70bf18a086", tag: "latest" });
    expect(parseReference(DIGEST)).toEqual({ path: "sha256", tag: "a".repeat(64) });
  });

  test("answers at once for texts that make careless expressions hang", () => {
    for (const text of [
      "a".repeat(400),
      "a-".repeat(200),
      "a/".repeat(200),
      "a.".repeat(200),
      `${"a_".repeat(199)}!`,
    ]) {
      expect(parseReference(`${text}!`)).toBeUndefined();
    }
  });
});

describe("ownImage", () => {
  test("names the tag", () => {
    expect(ownImage("image", "experiment-2-bis")).toBe("experiment-2-bis:latest");
    expect(ownImage("image", "team/app:V1")).toBe("team/app:V1");
    expect(ownImage("image", "my.app:5000")).toBe("my.app:5000");
  });

  test.each([
    "ghcr.io/a",
    "localhost/a",
    "host:5000/a",
    "REG/a",
    `a@${DIGEST}`,
    `a:1@${DIGEST}`,
    "A",
    "",
    "a b",
    "../x",
    "x".repeat(223),
  ])("refuses %j", (text) => {
    expect(() => ownImage("image", text)).toThrow(refused);
  });

  test("takes every name and tag of the grammar", () => {
    const word = fc.stringMatching(/^[a-z0-9]{1,8}$/);
    const separator = fc.constantFrom(".", "_", "__", "-", "--");
    const component = fc
      .tuple(word, fc.array(fc.tuple(separator, word), { maxLength: 3 }))
      .map(([first, rest]) => first + rest.flat().join(""));
    // a first part with a dot, or "localhost", would be a registry
    const plain = fc.stringMatching(/^[a-z0-9]{1,8}$/);
    const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/);
    fc.assert(
      fc.property(plain, fc.array(component, { maxLength: 3 }), tag, (first, rest, version) => {
        const name = [first, ...rest].join("/");
        expect(ownImage("image", `${name}:${version}`)).toBe(`${name}:${version}`);
        expect(ownImage("image", name)).toBe(`${name}:latest`);
      }),
    );
  });

  test("whatever it takes, the stored name `<user>-<image>` is a reference without a host too", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."aZ09._-/:@") }), (text) => {
        let own: string;
        try {
          own = ownImage("image", text);
        } catch {
          return;
        }
        const stored = parseReference(`client1-${own}`);
        expect(stored?.domain).toBeUndefined();
        expect(`${stored?.path}:${stored?.tag}`).toBe(`client1-${own}`);
      }),
      { numRuns: 2000 },
    );
  });
});
