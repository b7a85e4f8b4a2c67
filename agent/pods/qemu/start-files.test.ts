import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { START_FILE, StartFiles } from "./start-files.ts";

const root = mkdtempSync(join(tmpdir(), "perigee-start-files-"));
afterAll(() => rmSync(root, { recursive: true }));

test("a sweep takes what an agent before left, and no file of a run that is being started", async () => {
  for (const run of ["left", "again", "runs"]) mkdirSync(join(root, run));
  const files = new StartFiles(root);
  await files.sweep(async () => {
    await files.write("again", Buffer.from("one"));
    void files.write("new", Buffer.from("two"));
    return new Set(["runs"]);
  });
  await files.write("new", Buffer.from("three"));
  expect(readdirSync(root).sort()).toEqual(["again", "new", "runs"]);
  expect(readFileSync(join(root, "again", START_FILE), "utf8")).toBe("one");
  await files.remove("again");
  expect(readdirSync(root).sort()).toEqual(["new", "runs"]);
});
