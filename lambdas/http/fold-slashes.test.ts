import fc from "fast-check";
import { Hono } from "hono";
import { expect, test } from "vitest";
import { foldedPath, foldSlashes } from "./fold-slashes.ts";

test.each([
  ["/em/files/list", "/em/files/list"],
  ["//em/files/list", "/em/files/list"],
  ["/em//files///list/", "/em/files/list"],
  ["/", "/"],
  ["//", "/"],
])("%s is %s", (path, folded) => {
  expect(foldSlashes(path)).toBe(folded);
});

test("folding twice folds no more", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom("/", "a", "b") }), (path) => {
      expect(foldSlashes(foldSlashes(path))).toBe(foldSlashes(path));
    }),
  );
});

test("Hono finds the route, and the query stays", async () => {
  const app = new Hono({ getPath: foldedPath });
  app.get("/em/files/list", (c) => c.text(c.req.query("pod_name") ?? "none"));
  for (const path of ["/em/files/list", "//em/files/list", "/em/files/list/", "//em//files//list//"]) {
    const response = await app.request(`http://x${path}?pod_name=a//b`);
    expect(await response.text()).toBe("a//b");
  }
});
