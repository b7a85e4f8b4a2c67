import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { keyParts } from "../../ports/staging-key.ts";
import { decodePart, encodePart, objectName, readName } from "./key-file-name.ts";

describe("key parts as file names", () => {
  const part = fc.string({ unit: "binary", minLength: 1, maxLength: 20 }).filter((part) => {
    try {
      return keyParts(part).length === 1;
    } catch {
      return false;
    }
  });

  it("come back, and are safe", () => {
    fc.assert(
      fc.property(part, (part) => {
        const name = encodePart(part);
        expect(decodePart(name)).toBe(part);
        expect(name).toMatch(/^[A-Za-z0-9_%-][A-Za-z0-9_.%-]*$/);
        expect(objectName(part).length).toBeLessThanOrEqual(255);
        expect(readName(objectName(part))).toEqual({ object: true, part });
        expect(readName(name)).toEqual({ object: false, part });
      }),
    );
  });

  it("fit a file name at their longest", () => {
    expect(objectName("é".repeat(42)).length).toBeLessThanOrEqual(255);
  });

  it.each([".", "..", ".a", "%", "%zz", "%61", "%2e", "a b", "%ff", "", "~", "é"])("are never %j", (name) => {
    expect(decodePart(name)).toBeUndefined();
  });
});
