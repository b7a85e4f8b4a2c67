import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, expect, test } from "vitest";
import { type TarFile, tarOf } from "#test/support/tar-of.ts";
import { takeFirst } from "./take-file.ts";

const directory = mkdtempSync(join(tmpdir(), "perigee-take-file-"));
afterAll(() => rmSync(directory, { recursive: true }));

const large = "x".repeat(300_000);
/** As pieces, as an engine sends it. */
async function sent(files: readonly TarFile[]): Promise<Readable> {
  return Readable.from(await Readable.from(tarOf(files)).toArray());
}
const tar = () => sent([{ name: "app.elf", mode: 0o755, content: large }]);

test("a file is taken whole when there is room for it, and not begun when there is none", async () => {
  const to = join(directory, "file");
  const full = new Error("full");
  const asked: number[] = [];
  const refused = await tar();
  const failure = takeFirst(refused, to, (bytes) => {
    asked.push(bytes);
    throw full;
  });
  await expect(failure).rejects.toBe(full);
  expect([asked, existsSync(to)]).toEqual([[large.length], false]);
  expect(refused.destroyed).toBe(true);
  expect(await takeFirst(await tar(), to, () => undefined)).toBe(true);
  expect(readFileSync(to, "utf8")).toBe(large);
});

test("a directory of the name is none, whatever files are in it", async () => {
  const to = join(directory, "none");
  const entries = [
    { name: "app.elf/", mode: 0o755 },
    { name: "app.elf/first", mode: 0o644, content: large },
  ];
  expect(await takeFirst(await sent(entries), to, () => undefined)).toBe(false);
  expect(existsSync(to)).toBe(false);
});
