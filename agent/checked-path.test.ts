import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkedPath, IllegalPath } from "./checked-path.ts";

describe("checkedPath", () => {
  test.each([
    "/_ping",
    "/containers/perigee-01kah8zj5q4w6t8y0b2c4d6e8f/json",
    `/images/sha256:${"a".repeat(64)}/tag`,
    "/images/registry.example:5000/team/tool:v1.2_3/json",
    "/api/v1/namespaces/perigee-ada-0123456789abcdef/pods/01kah8zj5q4w6t8y0b2c4d6e8f/log",
    "/v2/ada-tool/manifests/sha256:abc",
  ])("lets %s through as it is", (path) => {
    expect(checkedPath(path)).toBe(path);
  });

  test.each([
    "",
    "/",
    "containers/json",
    "/containers/perigee-x/../y/json",
    "/containers/x/../../127.0.0.1:45995/json",
    "/containers/../json",
    "/containers/./json",
    "/containers//json",
    "//host/containers",
    "/containers/x/",
    "/containers/%2e%2e/json",
    "/containers/x?force=1",
    "/containers/x#y",
    "/containers/x y",
    "/containers/x\r\nHost: y",
    "/containers/x\n",
    "/containers/ä",
    "/containers/x\\y",
    "/containers/\u00a0",
    "/containers/.hidden",
    `/${"x".repeat(2000)}`,
  ])("refuses %j", (path) => {
    expect(() => checkedPath(path)).toThrow(IllegalPath);
  });

  test("a value between two names never changes the request, or is refused", () => {
    const piece = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("..", ".", "/", "//", "%2f", "?", "#", "@host", ":80", "\\", "\t", "x", "-"),
    );
    fc.assert(
      fc.property(
        fc.array(piece, { minLength: 1, maxLength: 6 }).map((parts) => parts.join("")),
        (value) => {
          const path = `/containers/perigee-${value}/json`;
          try {
            checkedPath(path);
          } catch (error) {
            expect(error).toBeInstanceOf(IllegalPath);
            return;
          }
          const url = new URL(path, "http://engine.example:1234");
          expect([url.host, url.pathname, url.search, url.hash]).toEqual([
            "engine.example:1234",
            path,
            "",
            "",
          ]);
        },
      ),
      { numRuns: 300 },
    );
  });
});
