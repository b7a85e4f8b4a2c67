import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { takeLock } from "./file-lock.ts";

let path: string;
beforeEach(() => {
  path = join(mkdtempSync(join(tmpdir(), "perigee-lock-")), "deep/er.lock");
});
afterEach(() => rmSync(join(path, "../.."), { recursive: true, force: true }));

test("has one holder at a time, in one process too", async () => {
  const first = await takeLock(path);
  expect(first).toBeDefined();
  expect(await takeLock(path)).toBeUndefined();
  first?.release();
  const second = await takeLock(path);
  expect(second).toBeDefined();
  second?.release();
});

test("who waits gets it when it is let go", async () => {
  const first = await takeLock(path);
  const waiting = takeLock(path, 30_000);
  first?.release();
  const second = await waiting;
  expect(second).toBeDefined();
  second?.release();
});

test("another process holds it until it dies, even by SIGKILL", async () => {
  const code = `import { takeLock } from ${JSON.stringify(join(import.meta.dirname, "file-lock.ts"))};
    const lock = await takeLock(${JSON.stringify(path)});
    console.log(lock ? "held" : "refused");
    setInterval(() => lock, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const said = await new Promise((resolve) =>
    child.stdout.once("data", (data) => resolve(String(data).trim())),
  );
  expect(said).toBe("held");
  expect(await takeLock(path)).toBeUndefined();
  const dead = new Promise((resolve) => child.once("close", resolve));
  child.kill("SIGKILL");
  await dead;
  const lock = await takeLock(path);
  expect(lock).toBeDefined();
  lock?.release();
});
