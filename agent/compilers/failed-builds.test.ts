import fs from "node:fs";
import path from "node:path";
import { pino } from "pino";
import { ulid } from "ulid";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Budget } from "#agent/budget/budget.ts";
import { Directory } from "#agent/files/directory.ts";
import { VolumeWorld } from "#test/support/volume-world.ts";
import { FailedBuilds } from "./failed-builds.ts";

const HOUR = 3600_000;
const BYTES = 64 * 1024;

let world: VolumeWorld;
let now: number;
let builds: FailedBuilds;
let budget: Budget;
beforeEach(() => {
  world = new VolumeWorld().make();
  now = Date.now();
  open();
});
afterEach(() => world[Symbol.asyncDispose]());

/** As an agent that has started: nothing is measured. */
function open(): void {
  builds = new FailedBuilds({ volumes: world.volumes, log: pino({ level: "silent" }), now: () => now });
  budget = new Budget({
    known: async (user) => builds.usage(user),
    measure: async (user) => (await world.volumes.measure(user)) + (await builds.measure(user)),
    quota: () => world.quota,
  });
}

const place = (...parts: string[]) => path.join(world.root, ".failed-builds", ...parts);
const kept = (user = "ann") => (fs.existsSync(place(user)) ? fs.readdirSync(place(user)).sort() : []);

/** Keeps what a command failed with. */
async function keep(command: string = ulid(), text = "text", user = "ann"): Promise<string> {
  const staged = path.join(world.base, "staged");
  fs.mkdirSync(path.join(staged, "x/sources/inner"), { recursive: true });
  fs.writeFileSync(path.join(staged, "x/sources/inner/file"), text.padEnd(BYTES));
  fs.writeFileSync(path.join(staged, "x/log"), text);
  using from = Directory.open(staged);
  await builds.keep({ user, command, from, name: "x" }, budget);
  return command;
}

describe("what a failed build left", () => {
  test("is moved there, only the agent may look, and counts once, as does what an earlier agent kept", async () => {
    const command = await keep();
    expect(fs.readdirSync(place("ann", command)).sort()).toEqual(["log", "sources"]);
    expect(fs.readdirSync(path.join(world.base, "staged"))).toEqual([]);
    for (const directory of [place(), place("ann")]) expect(fs.statSync(directory).mode & 0o777).toBe(0o700);
    const bytes = builds.usage("ann")!;
    expect(bytes).toBeGreaterThanOrEqual(BYTES);
    open();
    expect([builds.usage("ann"), builds.usage("bob"), builds.users()]).toEqual([undefined, 0, ["ann"]]);
    expect(await builds.measure("ann")).toBe(bytes);
    expect(builds.usage("ann")).toBe(bytes);
    expect(world.volumes.names("ann")).toEqual(["v"]);
  });

  test("is not kept beyond the quota, and stays where it was", async () => {
    await keep();
    world.quota = builds.usage("ann")! + BYTES;
    await expect(keep()).rejects.toMatchObject({ code: "QUOTA_EXCEEDED" });
    expect(kept()).toHaveLength(1);
    expect(fs.readdirSync(path.join(world.base, "staged/x"))).toEqual(["log", "sources"]);
    expect(budget.reserved("ann")).toBe(0);
    await keep(ulid(), "text", "bob");
  });

  test("counts in what else the user may have", async () => {
    await keep();
    world.quota = builds.usage("ann")! + 10;
    await expect(budget.reserve("ann", 11)).rejects.toMatchObject({ code: "QUOTA_EXCEEDED" });
    now += 24 * HOUR;
    expect(await builds.tidy()).toEqual(["ann"]);
    using _ = await budget.reserve("ann", 11);
  });

  test("is not kept at the disk's floor", async () => {
    await world.restart({ freeFloorBytes: Number.MAX_SAFE_INTEGER });
    open();
    await expect(keep()).rejects.toMatchObject({ code: "STORAGE_FULL" });
    expect(kept()).toEqual([]);
  });

  test("is of the newest eight of each user, also where the quota has room for no ninth", async () => {
    const commands: string[] = [];
    for (let i = 0; i < 8; i++, now += 1000) commands.push(await keep());
    await keep(ulid(), "text", "bob");
    world.quota = builds.usage("ann")! + BYTES / 2;
    commands.push(await keep());
    expect(kept()).toEqual(commands.slice(1).sort());
    expect(kept("bob")).toHaveLength(1);
    expect(world.leftovers()).toEqual([]);
  });

  test("is gone after 24 h, and its user's directory with the last of it", async () => {
    const first = await keep();
    now += HOUR;
    const second = await keep();
    now += 23 * HOUR - 1;
    expect(await builds.tidy()).toEqual([]);
    expect(kept()).toEqual([first, second].sort());
    now += 1;
    // the agent's start does the same
    open();
    expect(await builds.tidy()).toEqual(["ann"]);
    expect(kept()).toEqual([second]);
    now += HOUR;
    expect(await builds.tidy()).toEqual(["ann"]);
    expect([builds.users(), builds.usage("ann"), world.leftovers()]).toEqual([[], 0, []]);
  });

  test("does not stay for ever when the clock was set back", async () => {
    await keep();
    now -= 25 * HOUR;
    await builds.tidy();
    expect(kept()).toEqual([]);
  });

  test("of a command that is done again takes the place of what it left before", async () => {
    const command = await keep(ulid(), "first");
    world.quota = builds.usage("ann")! + BYTES / 2;
    await keep(command, "second");
    expect(kept()).toEqual([command]);
    expect(fs.readFileSync(place("ann", command, "log"), "utf8")).toBe("second");
    expect(world.leftovers()).toEqual([]);
  });

  test("may be removed by hand", async () => {
    await keep();
    const measuring = builds.measure("ann");
    fs.rmSync(place("ann"), { recursive: true });
    await measuring;
    expect([builds.usage("ann"), await builds.measure("ann"), await builds.tidy()]).toEqual([0, 0, []]);
    await keep();
    expect(kept()).toHaveLength(1);
  });

  test("is tidied when an agent died before the oldest was gone", async () => {
    const commands: string[] = [];
    for (let i = 0; i < 8; i++, now += 1000) commands.push(await keep());
    const ninth = ulid();
    fs.cpSync(place("ann", commands[7]!), place("ann", ninth), { recursive: true });
    fs.utimesSync(place("ann", ninth), now / 1000, now / 1000);
    open();
    expect(await builds.tidy()).toEqual(["ann"]);
    expect(kept()).toEqual([...commands.slice(1), ninth].sort());
  });
});
