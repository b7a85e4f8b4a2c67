import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { StartFailure } from "../pod-runtime.ts";
import { assertStartable } from "./startable.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "perigee-startable-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const withMount = (subPath?: string, limits?: { pids: number }) =>
  assertStartable({
    mounts: [
      { volume: "v", path: join(directory, "v"), at: "/m", ...(subPath !== undefined && { subPath }) },
    ],
    ...(limits && { limits }),
  });

test("a volume that is not there, and a bound of processes, fail the start", () => {
  expect(() => withMount()).toThrow("the volume does not exist");
  mkdirSync(join(directory, "v"));
  withMount();
  expect(() => withMount(undefined, { pids: 5 })).toThrow(StartFailure);
});

test("a part of a volume is made, writable for any user id, and no link is followed on the way", () => {
  mkdirSync(join(directory, "v"));
  mkdirSync(join(directory, "outside"));
  withMount("a/b");
  expect(statSync(join(directory, "v/a/b")).mode & 0o777).toBe(0o777);
  symlinkSync(join(directory, "outside"), join(directory, "v/link"));
  expect(() => withMount("link/x")).toThrow("no file or directory in the volume");
  expect(readdirSync(join(directory, "outside"))).toEqual([]);
});
