import { describe, expect, it } from "vitest";
import { allowedMethods, hasRoute } from "./allowed-methods.ts";

const routes = [
  { method: "ALL", path: "/*" },
  { method: "ALL", path: "/commands" },
  { method: "GET", path: "/commands" },
  { method: "GET", path: "/commands/:id" },
  { method: "POST", path: "/commands/:id/cancel" },
  { method: "POST", path: "/both" },
  { method: "GET", path: "/both" },
  { method: "GET", path: "/both" },
  { method: "PUT", path: "/numbers/:id{[0-9]+}" },
  { method: "HEAD", path: "/trees/:id/*" },
];

describe("allowedMethods", () => {
  it.each([
    ["/commands", ["GET"]],
    ["/commands/01", ["GET"]],
    ["/commands/01/cancel", ["POST"]],
    ["/both", ["GET", "POST"]],
    ["/numbers/07", ["PUT"]],
    ["/trees/1/", ["HEAD"]],
    ["/trees/1/a/b/c", ["HEAD"]],
  ])("%s answers %j", (path, methods) => {
    expect(allowedMethods(routes, path)).toEqual(methods);
    for (const method of ["GET", "HEAD", "POST", "PUT", "ALL"]) {
      expect(hasRoute(routes, { method, path })).toBe(methods.includes(method));
    }
  });

  it.each([
    "/",
    "/command",
    "/commands/",
    "/commands/01/",
    "/commands/01/cancel/x",
    "/commands/01/other",
    "/numbers/",
    "/numbers/7a",
    "/trees/1",
    "/trees//a",
  ])("nothing is at %s", (path) => {
    expect(allowedMethods(routes, path)).toEqual([]);
  });
});
