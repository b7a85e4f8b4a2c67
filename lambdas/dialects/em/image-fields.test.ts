import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseReference } from "#protocol/image-reference.ts";
import { ownImage, runnableImage } from "./image-fields.ts";

const refused = expect.objectContaining({
  code: "INVALID_PARAMETERS",
  message: expect.stringMatching(/^image: /),
});
const DIGEST = `sha256:${"a".repeat(64)}`;

test.each(["", " ", "A", "a:", "a..b", "/a", "a@x", "a:1:2", "http://a/b", "x".repeat(256)])(
  "runnableImage refuses %j",
  (text) => {
    expect(() => runnableImage("image", text)).toThrow(refused);
  },
);

describe("ownImage", () => {
  test("names the tag", () => {
    expect(ownImage("image", "experiment-2-bis")).toBe("experiment-2-bis:latest");
    expect(ownImage("image", "team/app:V1")).toBe("team/app:V1");
    expect(ownImage("image", "my.app:5000")).toBe("my.app:5000");
  });

  test("says what to write instead of podman's name", () => {
    expect(() => ownImage("image", "localhost/tool:1")).toThrow(
      expect.objectContaining({ message: expect.stringContaining("write tool:1") }),
    );
  });

  test.each([
    "a".repeat(64),
    "x".repeat(201),
    `${"x/".repeat(100)}xx`,
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
        expect(stored?.host).toBeUndefined();
        expect(`${stored?.name}:${stored?.tag}`).toBe(`client1-${own}`);
      }),
      { numRuns: 2000 },
    );
  });
});
