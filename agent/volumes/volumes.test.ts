import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LIMITS } from "#protocol/limits.ts";
import { OPERATIONS } from "#protocol/operations.ts";
import { VolumeWorld } from "#test/support/volume-world.ts";

let world: VolumeWorld;
beforeEach(() => {
  world = new VolumeWorld();
});
afterEach(() => world[Symbol.asyncDispose]());

const remove = (volume = "v") => world.command("volumes.delete", { volume });

class Crash extends Error {}

describe("Volumes", () => {
  it("makes a volume once, writable for any uid, and remembers when", async () => {
    const before = Date.now();
    expect(world.volumes.exists("ann", "v")).toBe(false);
    expect(world.volumes.ensure("ann", "v")).toBe(world.volume);
    expect(fs.statSync(world.volume).mode & 0o777).toBe(0o777);
    const [first] = await world.volumes.listVolumes("ann");
    expect(first?.created).toBeGreaterThanOrEqual(before);
    fs.writeFileSync(`${world.volume}/f`, "12345");
    world.volumes.ensure("ann", "v");
    await world.restart();
    expect(await world.volumes.listVolumes("ann")).toEqual([{ ...first, name: "v", size: 5 }]);
    expect(world.volumes.exists("ann", "v")).toBe(true);
  });

  it("makes several together and takes them away together, what is missing left out", async () => {
    world.volumes.ensure("ann", "a");
    fs.writeFileSync(`${world.root}/ann/a/f`, "12345");
    world.volumes.ensureAll("ann", ["a", "b"]);
    const made = await world.volumes.listVolumes("ann");
    expect(made.map(({ name, size }) => [name, size])).toEqual([
      ["a", 5],
      ["b", 0],
    ]);
    expect(fs.statSync(`${world.root}/ann/b`).mode & 0o777).toBe(0o777);
    const ids = new Map([
      ["a", "x.0"],
      ["b", "x.1"],
      ["none", "x.2"],
    ]);
    world.volumes.takeAllAway("ann", ids);
    expect(await world.volumes.listVolumes("ann")).toEqual([]);
    expect([...ids.values()].map((id) => world.volumes.trash.has(id))).toEqual([true, true, false]);
    world.volumes.takeAllAway("ann", ids);
    world.volumes.takeAllAway("nobody", ids);
    world.volumes.ensure("ann", "a");
    // the trash would keep the one and lose the other
    expect(() => world.volumes.takeAllAway("ann", ids)).toThrow(/in the trash already/);
    expect(world.volumes.exists("ann", "a")).toBe(true);
  });

  it("has no volumes but the user's own, and none by a name that is none", async () => {
    world.volumes.ensure("ann", "v");
    world.volumes.ensure("ann", "another");
    world.volumes.ensure("bob", "w");
    fs.mkdirSync(`${world.root}/ann/Not-A-Volume`);
    expect((await world.volumes.listVolumes("ann")).map(({ name }) => name)).toEqual(["another", "v"]);
    expect(await world.volumes.listVolumes("nobody")).toEqual([]);
    expect(world.volumes.users().sort()).toEqual(["ann", "bob"]);
    for (const [user, volume] of [
      ["..", "v"],
      [".incoming", "v"],
      ["ann", ".."],
      ["ann", "a/b"],
      ["ann", ""],
    ] as const) {
      expect(() => world.volumes.directoryOf(user, volume)).toThrow(TypeError);
      expect(() => world.volumes.ensure(user, volume)).toThrow(TypeError);
      expect(() => world.volumes.open(user, volume)).toThrow(TypeError);
    }
    await expect(world.volumes.deleteVolume("..", "ann", "x")).rejects.toThrow(TypeError);
  });

  it("measures what is really on the disk, each file once", async () => {
    world.make();
    fs.writeFileSync(`${world.volume}/f`, Buffer.alloc(100_000, 1));
    fs.linkSync(`${world.volume}/f`, `${world.volume}/same`);
    fs.writeFileSync(`${world.volume}/holes`, "");
    fs.truncateSync(`${world.volume}/holes`, 2 ** 40);
    execFileSync("mkfifo", [`${world.volume}/fifo`]);
    const bytes = await world.volumes.measure("ann");
    expect(bytes).toBeGreaterThanOrEqual(100_000);
    expect(bytes).toBeLessThan(200_000);
    expect(world.volumes.usage("ann")).toBe(bytes);
    // a listing's size is that of the contents
    expect((await world.volumes.listVolumes("ann"))[0]?.size).toBe(200_000 + 2 ** 40);
  });

  it("measures anew for who asks while it measures", async () => {
    world.make();
    const first = world.volumes.measure("ann");
    fs.writeFileSync(`${world.volume}/f`, Buffer.alloc(100_000, 1));
    const second = world.volumes.measure("ann");
    await first;
    expect(await second).toBeGreaterThanOrEqual(100_000);
    fs.rmSync(`${world.volume}/f`);
    expect(await world.volumes.measure("ann")).toBeLessThan(100_000);
  });

  it("counts a tree deeper than it may enter as over any quota", async () => {
    world.make();
    const make = `let d = process.argv[1]; process.chdir(d);
      for (let i = 0; i < 2000; i++) { require("fs").mkdirSync("d"); process.chdir("d"); }`;
    execFileSync(process.execPath, ["-e", make, world.volume]);
    expect(await world.volumes.measure("ann")).toBeGreaterThan(LIMITS.quotaBytes);
    await world.run(remove());
    // what takes long is removed behind the answer
    await vi.waitFor(() => expect(world.leftovers()).toEqual([]), { timeout: 60_000 });
  });
});

describe("volumes.list", () => {
  it("gives name, size and time", async () => {
    await world.run(world.uplink({ a: "one", "b/c": "four" }));
    const { volumes } = await world.run(world.command("volumes.list", {}));
    expect(volumes).toEqual([{ name: "v", size: 7, created: expect.any(Number) }]);
  });
});

describe("a space", () => {
  const space = "kabuto";

  it("has volumes of its own, which the same names outside of it and in others do not reach", async () => {
    await world.run(world.uplink({ f: "outside" }));
    const uplink = world.command("volume.uplink", { volume: "v", space, count: 1, bytes: 6 });
    uplink.stage("f", "inside");
    await world.run(uplink);
    expect(fs.readFileSync(`${world.volume}/f`, "utf8")).toBe("outside");
    expect(fs.readFileSync(`${world.volume}.kabuto/f`, "utf8")).toBe("inside");
    const names = async (own?: string) => {
      const { volumes } = await world.run(world.command("volumes.list", { ...(own && { space: own }) }));
      return volumes.map(({ name, size }) => [name, size]);
    };
    expect(await names()).toEqual([["v", 7]]);
    expect(await names(space)).toEqual([["v", 6]]);
    expect(await names("unik")).toEqual([]);
    const list = async (own: string) =>
      (await world.run(world.command("volume.list", { volume: "v", space: own }))).listing;
    expect(await list(space)).toContain('"f"');
    expect(await list("unik")).toBe("[]");

    expect(await world.code(world.command("file.delete", { volume: "v", space: "unik", path: "f" }))).toBe(
      "DELETE_FAILED",
    );
    await world.run(world.command("file.delete", { volume: "v", space, path: "f" }));
    expect(world.tree()).toEqual({ f: "outside" });
    await world.run(world.command("volume.remove", { volume: "v", space }));
    expect(await names(space)).toEqual([]);
    expect(world.tree()).toEqual({ f: "outside" });
  });

  it("counts towards its user's quota", async () => {
    const uplink = world.command("volume.uplink", { volume: "v", space, count: 1, bytes: 4096 });
    uplink.stage("f", "x".repeat(4096));
    await world.run(uplink);
    expect(await world.volumes.measure("ann")).toBeGreaterThanOrEqual(4096);
  });

  it("is no part of a name that a user may write", async () => {
    for (const volume of ["v.kabuto", ".kabuto", "v."]) {
      expect(OPERATIONS["volume.list"].input.safeParse({ volume }).success).toBe(false);
    }
    for (const own of ["", "Kabuto", "a-b", "a.b", "../x", "x".repeat(17)]) {
      expect(OPERATIONS["volume.list"].input.safeParse({ volume: "v", space: own }).success).toBe(false);
    }
    for (const key of ["v.", ".kabuto", "v.a.b", "v.a-b", "v./x"]) {
      expect(() => world.volumes.directoryOf("ann", key)).toThrow(TypeError);
    }
  });
});

describe("volumes.delete", () => {
  it("deletes a volume with everything in it, and what was known of it", async () => {
    await world.run(world.uplink({ a: "one", "b/c": "two" }));
    await world.run(world.command("volume.list", { volume: "v" }));
    expect(await world.run(remove())).toEqual({});
    expect(fs.readdirSync(`${world.root}/ann`)).toEqual([]);
    expect(world.leftovers()).toEqual([]);
    expect(fs.readdirSync(`${world.base}/hashes`)).toEqual([]);
    const later = Date.now();
    world.make();
    expect((await world.volumes.listVolumes("ann"))[0]?.created).toBeGreaterThanOrEqual(later);
  });

  it("refuses one that is none, or in use", async () => {
    expect(await world.code(remove())).toBe("VOLUME_NOT_FOUND");
    world.make();
    world.deps.isVolumeInUse = async (user, volume) => user === "ann" && volume === "v";
    expect(await world.code(remove())).toBe("VOLUME_IN_USE");
    expect(world.volumes.exists("ann", "v")).toBe(true);
  });

  it("lets nobody write to the disk of a machine that has not terminated, but read", async () => {
    await world.run(world.uplink({ "disk.img": "old" }));
    const begun = world.uplink({ "disk.img": "new" });
    // the machine comes while the file is received
    let asked = 0;
    world.deps.isDiskInUse = (user, volume) => user === "ann" && volume === "v" && asked++ > 0;
    expect(await world.code(begun)).toBe("VOLUME_IN_USE");
    const file = { volume: "v", path: "disk.img" };
    expect(await world.code(world.command("file.delete", file))).toBe("VOLUME_IN_USE");
    expect(world.tree()).toEqual({ "disk.img": "old" });
    expect(await world.run(world.command("volume.list", { volume: "v" }))).toMatchObject({
      truncated: false,
    });
    world.deps.isDiskInUse = () => false;
    expect(await world.run(world.command("file.delete", file))).toEqual({});
  });

  it.each(["beforeNote", "afterNote"] as const)("ends once, cut %s at any step", async (when) => {
    for (const step of ["commit", "moved"]) {
      world.make();
      fs.writeFileSync(`${world.volume}/f`, "1");
      const command = remove();
      command[when] = (noted) => {
        if (noted === step) throw new Crash();
      };
      await expect(world.run(command)).rejects.toThrow(Crash);
      command[when] = undefined;
      await world.restart();
      await world.volumes.sweepIncoming(new Set([command.id]));
      expect(await world.run(command)).toEqual({});
      expect(world.volumes.exists("ann", "v")).toBe(false);
      expect(world.leftovers()).toEqual([]);
      expect(await world.volumes.listVolumes("ann")).toEqual([]);
    }
  });
});

describe("sweepIncoming", () => {
  it("deletes what commands left that are over, and keeps what is wanted", async () => {
    for (const where of [".incoming", ".trash"]) {
      for (const name of ["over", "wanted"]) {
        fs.mkdirSync(`${world.root}/${where}/${name}/deep`, { recursive: true });
      }
    }
    await world.volumes.sweepIncoming(new Set(["wanted"]));
    expect(world.leftovers()).toEqual(["wanted", "wanted"]);
  });

  it("leaves alone what begins while it runs", async () => {
    world.make();
    for (let i = 0; i < 200; i++) fs.mkdirSync(`${world.root}/.trash/left-${i}/deep`, { recursive: true });
    const sweeping = world.volumes.sweepIncoming(new Set());
    const command = world.uplink({ a: "one" });
    await world.run(command);
    await sweeping;
    expect(world.tree()).toEqual({ a: "one" });
    expect(world.leftovers()).toEqual([]);
  });
});
