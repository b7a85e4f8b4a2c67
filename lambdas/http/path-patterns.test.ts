import { expect, test } from "vitest";
import { matchesPath } from "./path-patterns.ts";

test.each([
  ["/", "/", true],
  ["/", "/a", false],
  ["/a", "/a", true],
  ["/a", "/a/", false],
  ["/a/*", "/a", true],
  ["/a/*", "/a/b/c", true],
  ["/a/*", "/ab", false],
  ["/v1/:project/images", "/v1/p/images", true],
  ["/v1/:project/images", "/v1//images", false],
  ["/v1/:project/images/*", "/v1/p/images/1", true],
])("%s at %s: %s", (pattern, path, matches) => {
  expect(matchesPath(pattern, path)).toBe(matches);
});
