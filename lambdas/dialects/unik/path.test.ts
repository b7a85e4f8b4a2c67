import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readPath } from "./path.ts";

describe("paths", () => {
  test.each([
    ["/unik/images", { parts: ["images"] }],
    ["/unik/images/", { parts: ["images"] }],
    ["/unik/em1/images", { edge: "em1", parts: ["images"] }],
    ["/unik/images/volumes", { parts: ["images", "volumes"] }],
    ["/unik/images/images", { parts: ["images", "images"] }],
    ["/unik/hub/images", { parts: ["hub", "images"] }],
    ["/unik/images/a%20b", { parts: ["images", "a b"] }],
    ["/unik/images/a%2520b", { parts: ["images", "a%20b"] }],
    ["/unik/em1", { edge: "em1", parts: [] }],
    ["/unik", undefined],
    ["/unik/", undefined],
    ["/unik//images", undefined],
    ["//unik/images", undefined],
    ["/unik/images//x", undefined],
    ["/unik/images//", undefined],
    ["/unik/images/a%2Fb", undefined],
    ["/unik/images/a%2fb", undefined],
    ["/unik/images/a%00b", undefined],
    ["/unik/images/%ff", undefined],
    ["/unik/images/%", undefined],
  ])("%s", (path, wanted) => expect(readPath(path, "/unik")).toEqual(wanted));

  test("without a prefix", () => {
    expect(readPath("/images", "")).toEqual({ parts: ["images"] });
    expect(readPath("/em1/images", "")).toEqual({ edge: "em1", parts: ["images"] });
    expect(readPath("//images", "")).toBeUndefined();
  });

  test("a name comes out as it was, whatever it is", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: "binary" }), (name) => {
        fc.pre(!/[/\0]/.test(name) && name.isWellFormed());
        expect(readPath(`/unik/images/${encodeURIComponent(name)}`, "/unik")).toEqual({
          parts: ["images", name],
        });
      }),
    );
  });
});
