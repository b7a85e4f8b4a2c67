import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import fc from "fast-check";
import { expect, test } from "vitest";
import { MiB } from "#protocol/limits.ts";
import { replayed, share } from "#test/support/long-run.ts";
import { Directory } from "./directory.ts";
import { zipDirectory } from "./zip-directory.ts";
import { zipName } from "./zip-name.ts";

/** What Python's zipfile, which is not ours, finds in each of the files: name to SHA-256. */
const READER = `
import hashlib, json, sys, zipfile
def read(file):
    z = zipfile.ZipFile(file)
    assert z.testzip() is None
    return [[i.filename, hashlib.sha256(z.read(i)).hexdigest()] for i in z.infolist()]
json.dump([read(file) for file in sys.argv[1:]], sys.stdout)`;

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

const part = fc
  .array(fc.constantFrom("a", "B", "ü", "\\", ":", "%", "4", "1", " ", ".", "\n", "\xe9"), {
    minLength: 1,
    maxLength: 6,
  })
  // one character is one byte where it is no text
  .map((units) => units.map((unit) => (unit === "ü" ? "\xc3\xbc" : unit)).join(""))
  .filter((name) => name !== "." && name !== "..");
const content = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.tuple(fc.nat(255), fc.nat(300_000)).map(([byte, length]) => new Uint8Array(length).fill(byte)),
);
const trees = fc.array(fc.tuple(fc.array(part, { minLength: 1, maxLength: 4 }), content), { maxLength: 12 });

/** Makes what of it can be; gives the files' paths (a character per byte) with their content. */
function make(root: string, tree: [string[], Uint8Array][]): Map<string, Uint8Array> {
  const made = new Map<string, Uint8Array>();
  const at = (parts: string[]) => Buffer.from([root, ...parts].join("/"), "latin1");
  for (const [parts, bytes] of tree) {
    try {
      fs.mkdirSync(at(parts.slice(0, -1)), { recursive: true });
      fs.writeFileSync(at(parts), bytes);
      made.set(parts.join("/"), bytes);
    } catch (error) {
      // a file where this one has a directory, or the other way round
      if (!["EEXIST", "EISDIR", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    }
  }
  return made;
}

test("any tree comes out of its zip as it went in, by a reader that is not ours", async () => {
  const several = fc.array(trees, { minLength: 1, maxLength: 10 });
  await fc.assert(
    fc.asyncProperty(several, async (all) => {
      const base = fs.mkdtempSync(path.join(os.tmpdir(), "zips-"));
      try {
        const expected: [string, string][][] = [];
        const files: string[] = [];
        for (const [n, tree] of all.entries()) {
          const root = path.join(base, `${n}`);
          fs.mkdirSync(root);
          const made = make(root, tree);
          using directory = Directory.open(root);
          const file = path.join(base, `${n}.zip`);
          fs.writeFileSync(file, await buffer(zipDirectory(directory, { directories: false })));
          files.push(file);
          expected.push([...made].map(([raw, bytes]) => [zipName(raw), sha256(bytes)]));
        }
        const found = execFileSync("python3", ["-c", READER, ...files], { maxBuffer: 16 * MiB });
        const sorted = (entries: [string, string][]) => entries.sort(([a], [b]) => (a < b ? -1 : 1));
        const read = JSON.parse(`${found}`) as [string, string][][];
        expect(read.map(sorted)).toEqual(expected.map(sorted));
      } finally {
        fs.rmSync(base, { recursive: true });
      }
    }),
    { numRuns: share(200, 8), ...replayed() },
  );
});
