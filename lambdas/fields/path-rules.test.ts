import path from "node:path/posix";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { volumePath } from "#protocol/operations.ts";
import { pathInVolume } from "./path-rules.ts";

const coded = (code: string) => expect.objectContaining({ code });

describe("pathInVolume", () => {
  test.each([
    ["./a//b/", "a/b"],
    ["a/../b", "b"],
    ["a/b/../../c", "c"],
    [".", ""],
    ["", ""],
    ["./", ""],
    ["a/..", ""],
    ["...", "..."],
    ["..a/b..", "..a/b.."],
    ["a\\..\\b", "a\\..\\b"],
    ["%2e%2e/x", "%2e%2e/x"],
    ["ü/日本", "ü/日本"],
    [" a ", " a "],
    ["a".repeat(255), "a".repeat(255)],
  ])("%j is %j", (text, expected) => {
    expect(pathInVolume("filepath", text)).toBe(expected);
  });

  test.each([
    "..",
    "../a",
    "a/../..",
    "a/../../b",
    "./..",
    "a/./../..//../b",
    "/",
    "/a",
    "//a",
    "/etc/passwd",
  ])("%j is illegal", (text) => {
    expect(() => pathInVolume("filepath", text)).toThrow(coded("ILLEGAL_PATH"));
  });

  test.each(["a\0b", "\0", "../\0", "a".repeat(256), "ü".repeat(128), "a/".repeat(2049), "\ud800"])(
    "refuses %#",
    (text) => {
      expect(() => pathInVolume("filepath", text)).toThrow(coded("INVALID_PARAMETERS"));
    },
  );

  test("a leading slash may mean the volume's root, and `..` still leads out of it", () => {
    const options = { slashIsRoot: true };
    expect(pathInVolume("filepath", "/echo-test/Dockerfile", options)).toBe("echo-test/Dockerfile");
    expect(pathInVolume("filepath", "//a", options)).toBe("a");
    expect(pathInVolume("filepath", "/", options)).toBe("");
    expect(() => pathInVolume("filepath", "/../a", options)).toThrow(coded("ILLEGAL_PATH"));
  });

  const anyPath = fc
    .array(fc.constantFrom("a", "b", "..", ".", "", "c d", "...", "/"), { maxLength: 12 })
    .map((parts) => parts.join("/"));

  test("is a normalised path of the protocol and never one that Node would resolve outside", () => {
    fc.assert(
      fc.property(anyPath, fc.boolean(), (text, slashIsRoot) => {
        let result: string;
        try {
          result = pathInVolume("filepath", text, { slashIsRoot });
        } catch (error) {
          expect(error).toEqual(coded("ILLEGAL_PATH"));
          const inside = slashIsRoot ? text.replace(/^\/+/, "") : text;
          // refused only for a reason: absolute, or above the root at some point on the way
          const parts = inside.split("/");
          const above = parts.some((_part, i) =>
            path.normalize(parts.slice(0, i + 1).join("/") || ".").startsWith(".."),
          );
          expect(inside.startsWith("/") || above).toBe(true);
          return;
        }
        expect(volumePath.parse(result)).toBe(result);
        expect(path.resolve("/volume", result)).toMatch(/^\/volume(?:\/|$)/);
        expect(path.resolve("/volume", result)).toBe(path.resolve("/volume", `./${text}`));
        expect(pathInVolume("filepath", result)).toBe(result);
      }),
      { numRuns: 1000 },
    );
  });

  test("any text is a path, or refused with a code", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 400 }), (text) => {
        try {
          expect(volumePath.safeParse(pathInVolume("filepath", text)).success).toBe(true);
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/ILLEGAL_PATH|INVALID_PARAMETERS/) });
        }
      }),
    );
  });
});
