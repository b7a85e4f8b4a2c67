import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pack } from "tar-stream";
import { expect, onTestFinished, test } from "vitest";
import { CHANGE } from "./file-texts.ts";
import { removalsOf } from "./removals.ts";

/** The text as a container runs it, in a directory of this machine. @returns its exit code */
async function change(cwd: string, remove: readonly string[], copy: Record<string, string>): Promise<number> {
  const { all, list } = removalsOf(remove);
  const tar = pack();
  const owner = { uid: process.getuid!(), gid: process.getgid!() };
  for (const [name, content] of Object.entries(copy)) {
    // of a ground whose clock goes an hour ahead
    tar.entry({ name, mode: 0o744, ...owner, mtime: new Date(Date.now() + 3600_000) }, content);
  }
  tar.finalize();
  const child = spawn("/bin/sh", ["-c", CHANGE, "sh", "", String(list.length), all ? "all" : ""], {
    cwd,
    stdio: ["pipe", "ignore", "inherit"],
  });
  child.stdin.write(list);
  tar.pipe(child.stdin);
  return new Promise((resolve) => child.once("close", (code) => resolve(code ?? -1)));
}

async function directory(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), "perigee-change-"));
  onTestFinished(() => rm(made, { recursive: true, force: true }));
  return made;
}

test("the working directory itself can be removed: there is a new one, and copies land in it", async () => {
  const above = await directory();
  const here = join(above, "work");
  await mkdir(here);
  await writeFile(join(here, "old"), "");
  expect(await change(here, [here], { "made/new": "x" })).toBe(0);
  expect(await readFile(join(here, "made/new"), "utf8")).toBe("x");
  await expect(stat(join(here, "old"))).rejects.toMatchObject({ code: "ENOENT" });
  expect((await stat(here)).mode & 0o7777).toBe(0o1777);
});

test("files are as old as their copying by the container's own clock", async () => {
  const here = await directory();
  expect(await change(here, ["./*"], { file: "x" })).toBe(0);
  const { mtimeMs } = await stat(join(here, "file"));
  expect(mtimeMs).toBeLessThan(Date.now() + 60_000);
});
