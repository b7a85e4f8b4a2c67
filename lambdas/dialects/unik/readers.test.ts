import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isTrue, JsonObject } from "./json-object.ts";
import { checkName, nameFor } from "./names.ts";
import { Parameters } from "./parameters.ts";

const object = (value: unknown) => new JsonObject(Buffer.from(JSON.stringify(value)));

describe("JSON bodies", () => {
  test("keys match in any case, and null is nothing", () => {
    const body = object({ iNSTANCEnAME: "a", MEMORYMB: 128.0, mounts: null, Env: { A: null }, x: [1] });
    expect([
      body.text("InstanceName"),
      body.number("MemoryMb"),
      body.texts("Mounts"),
      body.texts("env"),
    ]).toEqual(["a", 128, [], [["A", ""]]]);
    expect(object(null).text("InstanceName")).toBe("");
  });

  test.each(["", "{", "[]", '"x"', "1"])("%s is no JSON object", (text) =>
    expect(() => new JsonObject(Buffer.from(text))).toThrow(/JSON/),
  );

  test.each([1.5, "128", 1e300, true])("%s is no whole number", (value) =>
    expect(() => object({ MemoryMb: value }).number("MemoryMb")).toThrow("MemoryMb must be a whole number"),
  );

  test.each([
    [true, true],
    ["TRUE", true],
    ["yes", false],
    [1, false],
    [null, false],
  ])("%j as a boolean is %j", (value, wanted) => expect(object({ f: value }).flag("F")).toBe(wanted));
});

describe("form or query", () => {
  const given = fc.dictionary(fc.constantFrom("base", "lang", "force"), fc.string());
  test("the form counts where both have it, whichever field comes when", () => {
    fc.assert(
      fc.property(given, given, (query, form) => {
        const read = new Parameters(new Map(Object.entries(query)));
        for (const [name, value] of Object.entries(form)) read.add(name, value);
        for (const name of ["base", "lang", "force"]) {
          const wanted = Object.hasOwn(form, name) ? form[name] : query[name];
          expect(read.text(name)).toBe(wanted ?? "");
          expect(read.flag(name)).toBe(isTrue(wanted));
          expect(read.inQuery(name)).toBe(query[name]);
        }
      }),
    );
  });
});

describe("names", () => {
  test.each(["a", "A1", "a b", "a.b_c-", "1", "x".repeat(128)])("%s is one", (name) =>
    expect(checkName("volume", name)).toBeUndefined(),
  );
  test.each(["", " a", "a ", "a.", "-a", ".", "é", "a/b", "a\0", "x".repeat(129)])("%j is none", (name) =>
    expect(() => checkName("volume", name)).toThrow(/^volume name .*: a name begins with/),
  );
  test("create is none of an image", () => {
    expect(() => checkName("image", "create")).toThrow("create");
    expect(checkName("image", "push")).toBeUndefined();
  });
  test("the name of an instance without one fits", () => {
    expect(nameFor("app", "01ARZ3NDEKTSV4RRFFQ69G5FAV")).toBe("app-9g5fav");
    expect(nameFor("x".repeat(128), "01ARZ3NDEKTSV4RRFFQ69G5FAV")).toBe(`${"x".repeat(121)}-9g5fav`);
  });
});
