import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HashTable, KnownHashes, loadTable, saveTable } from "./known-hashes.ts";

let base: string;
beforeEach(() => {
  base = fs.mkdtempSync(path.join(os.tmpdir(), "hashes-"));
});
afterEach(() => fs.rmSync(base, { recursive: true, force: true }));

const file = fc.record({
  ino: fc.integer({ min: 1, max: 50 }),
  size: fc.maxSafeNat(),
  mtimeMs: fc.double({ noNaN: true, min: -1e13, max: 1e13 }),
  ctimeMs: fc.double({ noNaN: true, min: 0, max: 1e13 }),
});
const entry = fc.tuple(file, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }));

describe("HashTable", () => {
  it("gives back through a file what was put in, the last of an inode", () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 60 }), fc.array(entry, { maxLength: 20 }), (first, second) => {
        const known = new KnownHashes(base);
        known.forget("ann", "v");
        const table = new HashTable();
        for (const [state, hash] of first) table.set(state, hash);
        saveTable(known.fileOf("ann", "v"), table);
        known.add(
          "ann",
          "v",
          second.map(([state, hash]) => ({ state, hash })),
        );
        const loaded = loadTable(known.fileOf("ann", "v"));
        const model = new Map([...first, ...second].map((one) => [one[0].ino, one]));
        expect(loaded.count).toBe(model.size);
        for (const [state, hash] of model.values()) {
          expect(loaded.get(state)).toBe(hash);
          expect(loaded.get({ ...state, ctimeMs: state.ctimeMs + 1 })).toBeUndefined();
        }
      }),
    );
  });

  it("is empty rather than wrong when its file is torn, foreign or missing", () => {
    const table = new HashTable();
    for (let ino = 1; ino <= 10; ino++) table.set({ ino, size: 1, mtimeMs: 1, ctimeMs: 1 }, 1n);
    const whole = table.encode();
    const target = `${base}/t`;
    expect(loadTable(target).count).toBe(0);
    for (const broken of [
      whole.subarray(0, whole.length - 1),
      whole.subarray(0, 7),
      Buffer.alloc(whole.length),
      Buffer.from("foreign"),
      Buffer.concat([whole.subarray(0, 40), Buffer.from([255]), whole.subarray(41)]),
    ]) {
      fs.writeFileSync(target, broken);
      expect(loadTable(target).count).toBe(0);
    }
    fs.writeFileSync(target, Buffer.concat([whole, whole.subarray(0, 99)]));
    expect(loadTable(target).count).toBe(10);
    expect(loadTable(target, 10).count).toBe(0);
  });

  it("keeps nothing for inodes that a double cannot tell apart", () => {
    const table = new HashTable();
    table.set({ ino: 2 ** 53, size: 1, mtimeMs: 1, ctimeMs: 1 }, 1n);
    expect(table.count).toBe(0);
  });
});
