import fc from "fast-check";
import { expect, test } from "vitest";
import { ITEM_BYTES } from "../../ports/ledger-store.ts";
import { storedText, textOf } from "./stored-text.ts";

const KIB_64 = 64 * 1024;

test("any text of 64 KiB fits an item with room to spare, and comes back", () => {
  for (const text of [
    "\u0001".repeat(KIB_64),
    '"'.repeat(KIB_64),
    "\n".repeat(KIB_64),
    "a".repeat(KIB_64),
    "€".repeat(21_845),
  ]) {
    const stored = storedText(text);
    expect(Buffer.byteLength(JSON.stringify(stored))).toBeLessThan(ITEM_BYTES / 3);
    expect(textOf(stored)).toBe(text);
  }
});

test("what is stored comes back, and never takes much more than a third above its bytes", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      const stored = storedText(text);
      expect(textOf(stored)).toBe(text);
      expect(Buffer.byteLength(JSON.stringify(stored))).toBeLessThanOrEqual(
        (Buffer.byteLength(text) * 4) / 3 + 100,
      );
    }),
  );
});
