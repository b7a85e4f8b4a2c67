import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { PerigeeError } from "#protocol/errors.ts";
import { lookup } from "./lookup.ts";

const of = (...names: string[]) => names.map((name) => ({ id: name, name }));
const found = (all: { id: string; name: string }[], text: string, changes: boolean) => {
  try {
    return lookup("image", all, text, changes).name;
  } catch (error) {
    return (error as PerigeeError).code;
  }
};

describe("what a text means", () => {
  test("an id comes before a name, and a whole name before a beginning", () => {
    const all = [
      { id: "a", name: "b" },
      { id: "b", name: "c" },
      { id: "c", name: "cd" },
    ];
    expect(lookup("instance", all, "b", false)).toBe(all[1]);
    expect(lookup("instance", all, "c", false)).toBe(all[2]);
    expect(lookup("instance", all, "cd", false)).toBe(all[2]);
  });

  test("what several begin with is told with their names", () => {
    expect(() => lookup("image", of("xb", "xa"), "x", false)).toThrow("'x' is ambiguous: xa, xb");
    expect(() => lookup("volume", of("xb"), "y", false)).toThrow("volume y not found");
  });

  test("text that is contained, but begins nothing, means nothing", () => {
    expect(found(of("my-app"), "app", false)).toBe("IMAGE_NOT_FOUND");
  });

  test("who changes something means whole names, or 15 characters of one", () => {
    expect(found(of("app2"), "app", true)).toBe("IMAGE_NOT_FOUND");
    expect(found(of("app2"), "app", false)).toBe("app2");
    expect(found(of("01ARZ3NDEKTSV4RRFFQ69G5FAV"), "01ARZ3NDEKTSV4R", true)).toBe(
      "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    );
  });

  const name = fc.stringMatching(/^[ab]{1,18}$/);
  test("a changing call finds nothing that a reading one does not find, and never another", () => {
    fc.assert(
      fc.property(fc.uniqueArray(name, { maxLength: 8 }), name, (names, text) => {
        const all = of(...names);
        const [read, changed] = [found(all, text, false), found(all, text, true)];
        expect([read, "IMAGE_NOT_FOUND"]).toContain(changed);
        if (names.includes(text)) expect(changed).toBe(text);
        else if (changed !== "IMAGE_NOT_FOUND") expect(text.length).toBeGreaterThanOrEqual(15);
        const begun = names.filter((one) => one.startsWith(text));
        const meant = names.includes(text) ? text : begun.length === 1 ? begun[0] : undefined;
        expect(read).toBe(meant ?? (begun.length > 1 ? "AMBIGUOUS_NAME" : "IMAGE_NOT_FOUND"));
      }),
    );
  });
});
