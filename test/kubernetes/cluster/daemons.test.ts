import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { isAlive, until } from "../../../scripts/processes.ts";
import { Daemons } from "./daemons.ts";

let run: string;
let daemons: Daemons;
beforeEach(() => {
  run = mkdtempSync(join(tmpdir(), "perigee-daemons-"));
  daemons = new Daemons(run);
});
afterEach(async () => {
  await daemons.endAll();
  rmSync(run, { recursive: true, force: true });
});

const upIs = (name: string) => until(() => daemons.pid(name) !== undefined, 10_000);
const logIs = (name: string, text: string) =>
  until(() => readFileSync(daemons.log(name), "utf8") === text, 10_000);

it("starts, stops and starts again, with one log", async () => {
  await daemons.start("echo", ["sh", "-c", "echo up; exec sleep 600"]);
  expect(await logIs("echo", "up\n")).toBe(true);
  const first = daemons.pid("echo")!;
  await daemons.stop("echo");
  expect(isAlive(first)).toBe(false);
  expect(daemons.pid("echo")).toBeUndefined();
  await daemons.restart("echo");
  expect(await logIs("echo", "up\nup\n")).toBe(true);
  expect(await upIs("echo")).toBe(true);
  expect(daemons.pid("echo")).not.toBe(first);
});

it("ends children that nobody recorded, and what ignores SIGTERM", async () => {
  const script = "trap '' TERM; sh -c 'echo $$; exec sleep 600' & wait";
  await daemons.start("parent", ["sh", "-c", script]);
  expect(await until(() => /^\d+\n$/.test(readFileSync(daemons.log("parent"), "utf8")), 10_000)).toBe(true);
  const child = Number(readFileSync(daemons.log("parent"), "utf8"));
  await new Daemons(run).endAll();
  expect([isAlive(child), daemons.pid("parent")]).toEqual([false, undefined]);
});

it("touches no process of another cluster, nor one that took an id over", async () => {
  const elsewhere = mkdtempSync(join(tmpdir(), "perigee-daemons-"));
  const others = new Daemons(elsewhere);
  try {
    await others.start("theirs", ["sleep", "600"]);
    expect(await until(() => others.pid("theirs") !== undefined, 10_000)).toBe(true);
    const pid = others.pid("theirs")!;
    writeFileSync(join(run, "mine.daemon.json"), JSON.stringify({ argv: ["sleep"], pid }));
    expect(daemons.pid("mine")).toBeUndefined();
    await daemons.stop("mine", "now");
    await daemons.endAll();
    expect(others.pid("theirs")).toBe(pid);
  } finally {
    await others.endAll();
    rmSync(elsewhere, { recursive: true, force: true });
  }
});

it("says what cannot be started", async () => {
  await expect(daemons.start("none", ["/nowhere/at/all"])).rejects.toThrow("ENOENT");
  await expect(daemons.restart("never")).rejects.toThrow("never started");
});
