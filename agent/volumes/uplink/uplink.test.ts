import { spawn } from "node:child_process";
import fs from "node:fs";
import { Readable } from "node:stream";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PerigeeError } from "#protocol/errors.ts";
import { MiB } from "#protocol/limits.ts";
import { VolumeWorld } from "#test/support/volume-world.ts";
import { ShuttingDown } from "../../operation.ts";

let world: VolumeWorld;
beforeEach(() => {
  world = new VolumeWorld();
});
afterEach(() => world[Symbol.asyncDispose]());

/** Ends an attempt as a death would: nothing is cleaned up. */
function cut(): never {
  throw new ShuttingDown();
}

describe("volume.uplink", () => {
  it("puts files in place for any uid, making directories and the volume", async () => {
    const big = Buffer.alloc(3 * MiB + 17, "x");
    const command = world.uplink({ a: "one", "dir/sub/b": "two", zero: "", "dir/big": big });
    const result = await world.run(command);
    expect(result).toEqual({ count: 4, bytes: 6 + big.length });
    expect(world.tree()).toEqual({
      a: "one",
      dir: null,
      "dir/sub": null,
      "dir/sub/b": "two",
      "dir/big": big.toString(),
      zero: "",
    });
    for (const name of ["", "/a", "/dir", "/dir/sub", "/dir/sub/b"]) {
      expect(fs.statSync(world.volume + name).mode & 0o777).toBe(0o777);
    }
    expect(world.leftovers()).toEqual([]);
    expect(command.progress.at(-2)).toEqual({
      phase: "receiving",
      done: result.bytes,
      total: result.bytes,
      unit: "bytes",
    });
  });

  it("replaces a file whole and leaves its other names alone", async () => {
    world.make();
    fs.writeFileSync(`${world.volume}/a`, "old and longer");
    fs.linkSync(`${world.volume}/a`, `${world.volume}/other`);
    await world.run(world.uplink({ a: "new" }));
    expect(world.tree()).toEqual({ a: "new", other: "old and longer" });
  });

  it("takes the last of several files for one path", async () => {
    const command = world.uplink({ a: "first" });
    command.stage("a", "second");
    await world.run(command);
    expect(world.tree()).toEqual({ a: "second" });
  });

  it.each([
    ["a directory at the target", { dir: "x", fine: "y" }, "INVALID_PARAMETERS"],
    ["a file on the way", { "file/x": "x", fine: "y" }, "INVALID_PARAMETERS"],
    ["a link at the target", { link: "x", fine: "y" }, "ILLEGAL_PATH"],
    ["a link on the way", { "dirlink/x": "x", fine: "y" }, "ILLEGAL_PATH"],
    ["a file that is another's directory", { new: "x", "new/sub": "y" }, "INVALID_PARAMETERS"],
    ["a name too long", { ["n".repeat(256)]: "x" }, "INVALID_PARAMETERS"],
    ["no name", { "": "x" }, "INVALID_PARAMETERS"],
  ])("refuses %s and changes nothing", async (_, files, code) => {
    world.make();
    fs.mkdirSync(`${world.volume}/dir`);
    fs.writeFileSync(`${world.volume}/file`, "kept");
    fs.symlinkSync("file", `${world.volume}/link`);
    fs.symlinkSync("/tmp", `${world.volume}/dirlink`);
    const before = world.tree();
    expect(await world.code(world.uplink(files as Record<string, string>))).toBe(code);
    expect(world.tree()).toEqual(before);
    expect(world.leftovers()).toEqual([]);
  });

  it("fetches a file again that came wrong, once", async () => {
    const command = world.uplink({ a: "right" });
    command.onFetch = () => (command.fetched.length === 1 ? Buffer.from("wrong") : Buffer.from("right"));
    await world.run(command);
    expect(world.tree()).toEqual({ a: "right" });

    const wrong = world.uplink({ b: "right", c: "fine" });
    wrong.onFetch = (n, _, content) => (n === 0 ? Buffer.from("wrong") : content);
    await expect(world.run(wrong)).rejects.toMatchObject({
      code: "CHECKSUM_MISMATCH",
      message: expect.stringContaining('"b" did not arrive'),
    });
    expect(world.tree()).toEqual({ a: "right" });
    expect(world.leftovers()).toEqual([]);
  });

  it.each(["longer than it should be", "sho"])("refuses content of another length: %s", async (given) => {
    const command = world.uplink({ a: "right" });
    command.onFetch = () => Buffer.from(given);
    expect(await world.code(command)).toBe("CHECKSUM_MISMATCH");
    expect(fs.existsSync(world.volume)).toBe(false);
  });

  it("leaves nothing, not even a volume, when it is cancelled", async () => {
    const abort = new AbortController();
    const command = world.uplink({ a: "one", b: "two" });
    command.onFetch = (n, _, content) => {
      if (n === 1) abort.abort(new PerigeeError("CANCELLED", "cancelled"));
      return content;
    };
    expect(await world.code(command, abort.signal)).toBe("CANCELLED");
    expect(fs.readdirSync(world.root).sort()).toEqual([".incoming", ".trash"]);
    expect(world.leftovers()).toEqual([]);
  });

  it("goes on after a stop with what it has, and takes up a part where it broke", async () => {
    const big = Buffer.alloc(4 * MiB, "b");
    const command = world.uplink({ small: "small", big });
    const stop = new AbortController();
    command.onFetch = (n, _, content) => {
      if (n === 0) return content;
      return Readable.from(
        (async function* () {
          yield content.subarray(0, 3 * MiB);
          // the first part is written once a second is asked for
          stop.abort(new ShuttingDown());
          yield content.subarray(3 * MiB);
        })(),
        { objectMode: false, highWaterMark: 1 },
      );
    };
    await expect(world.run(command, stop.signal)).rejects.toThrow(ShuttingDown);
    expect(world.tree()).toEqual({});
    await world.restart();
    await world.volumes.sweepIncoming(new Set([command.id]));
    command.fetched.length = 0;
    command.onFetch = undefined;
    await world.run(command);
    expect(world.tree()).toEqual({ small: "small", big: big.toString() });
    expect(command.fetched.map(({ n }) => n)).toEqual([1]);
    expect(world.leftovers()).toEqual([]);
  });

  it("throws a part away that turns out to be wrong", async () => {
    const command = world.uplink({ a: "right content" });
    const place = `${world.root}/.incoming/${command.id}`;
    fs.mkdirSync(place);
    fs.writeFileSync(`${place}/plan.json`, JSON.stringify(command.files));
    fs.writeFileSync(`${place}/0.part`, "\0\0\0\0\0");
    await world.run(command);
    expect(command.fetched).toEqual([
      { n: 0, start: 5 },
      { n: 0, start: 0 },
    ]);
    expect(world.tree()).toEqual({ a: "right content" });
  });

  it.each(["beforeNote", "afterNote"] as const)("reaches its end once from a cut %s", async (when) => {
    world.make();
    const command = world.uplink({ a: when, "d/b": "two" });
    command[when] = cut;
    await expect(world.run(command)).rejects.toThrow(ShuttingDown);
    expect(world.tree()).toEqual({});
    await world.restart();
    await world.volumes.sweepIncoming(new Set([command.id]));
    command[when] = undefined;
    const fetched = command.fetched.length;
    await world.run(command);
    expect(command.fetched).toHaveLength(fetched);
    expect(world.tree()).toEqual({ a: when, d: null, "d/b": "two" });
    expect(world.leftovers()).toEqual([]);
    // redelivered although it was done: what a pod changed since stays
    fs.writeFileSync(`${world.volume}/a`, "changed since");
    expect(await world.run(command)).toEqual({ count: 2, bytes: command.input.bytes });
    expect(world.tree()).toHaveProperty("a", "changed since");
  });

  it("rolls forward from the middle of putting in place, without the ground", async () => {
    const command = world.uplink({ a: "one", b: "two", "d/c": "three" });
    command.afterNote = () => {
      world.make();
      fs.renameSync(`${world.root}/.incoming/${command.id}/0`, `${world.volume}/a`);
      cut();
    };
    await expect(world.run(command)).rejects.toThrow(ShuttingDown);
    expect(world.tree()).toEqual({ a: "one" });
    fs.rmSync(command.staging, { recursive: true });
    command.files = [];
    const cancelled = AbortSignal.abort(new PerigeeError("CANCELLED", "too late"));
    await world.run(command, cancelled);
    expect(world.tree()).toEqual({ a: "one", b: "two", d: null, "d/c": "three" });
    expect(world.leftovers()).toEqual([]);
  });

  it("is forgotten when its command is over elsewhere", async () => {
    const command = world.uplink({ a: "one" });
    command.beforeNote = cut;
    await expect(world.run(command)).rejects.toThrow(ShuttingDown);
    expect(world.leftovers()).toEqual([command.id]);
    await world.restart();
    await world.volumes.sweepIncoming(new Set());
    expect(world.leftovers()).toEqual([]);
  });

  it("replaces what a pod puts in the way after the check", async () => {
    world.make();
    fs.mkdirSync(`${world.base}/outside`);
    const command = world.uplink({ a: "one", "d/b": "two", "e/c": "three", f: "four" });
    command.afterNote = () => {
      fs.mkdirSync(`${world.volume}/a/full`, { recursive: true });
      fs.symlinkSync(`${world.base}/outside`, `${world.volume}/d`);
      fs.writeFileSync(`${world.volume}/e`, "in the way");
      fs.symlinkSync(`${world.base}/outside/f`, `${world.volume}/f`);
    };
    await world.run(command);
    expect(world.tree()).toEqual({ a: "one", d: null, "d/b": "two", e: null, "e/c": "three", f: "four" });
    expect(fs.readdirSync(`${world.base}/outside`)).toEqual([]);
    expect(world.leftovers()).toEqual([]);
  });

  it("puts nothing outside, and nothing half, while another process swaps the way for links", async () => {
    world.make();
    fs.mkdirSync(`${world.base}/outside`);
    const swapper = spawn(
      process.execPath,
      [
        "-e",
        `const fs = require("fs"); const [, v, out] = process.argv;
         const may = (f) => { try { f(); } catch {} };
         for (let i = 0; i < 3000; i++) {
           may(() => fs.renameSync(v + "/d", v + "/kept" + i % 8)); may(() => fs.symlinkSync(out, v + "/d"));
           may(() => fs.unlinkSync(v + "/d")); may(() => fs.writeFileSync(v + "/d", "in the way"));
           may(() => fs.unlinkSync(v + "/d")); may(() => fs.mkdirSync(v + "/d/g", { recursive: true })); }`,
        world.volume,
        `${world.base}/outside`,
      ],
      { stdio: "ignore" },
    );
    let running = true;
    const ended = new Promise((resolve) => swapper.once("exit", resolve)).then((code) => {
      running = false;
      return code;
    });
    const codes = new Set<string>();
    for (let round = 0; running; round++) {
      const code = await world.code(
        world.uplink({ "d/f": `${round}`, "d/g/h": `${round}`, last: `${round}` }),
      );
      codes.add(code);
      const last = world.tree().last ?? "";
      expect(last === `${round}`).toBe(code === "succeeded");
    }
    expect(await ended).toBe(0);
    expect(fs.readdirSync(`${world.base}/outside`)).toEqual([]);
    expect(
      [...codes].filter((c) => !["succeeded", "ILLEGAL_PATH", "INVALID_PARAMETERS"].includes(c)),
    ).toEqual([]);
    expect(world.leftovers()).toEqual([]);
  });

  it("holds the quota, counting what is replaced only once", async () => {
    world.quota = 100 * 1024;
    await world.run(world.uplink({ a: Buffer.alloc(64 * 1024) }));
    expect(await world.code(world.uplink({ b: Buffer.alloc(64 * 1024) }))).toBe("QUOTA_EXCEEDED");
    expect(world.tree()).not.toHaveProperty("b");
    expect(await world.code(world.uplink({ a: Buffer.alloc(64 * 1024, 1) }))).toBe("succeeded");
    world.elsewhere = 90 * 1024;
    expect(await world.code(world.uplink({ c: "more" }))).toBe("QUOTA_EXCEEDED");
    // what a pod deleted is noticed before anybody is refused
    world.elsewhere = 0;
    fs.rmSync(`${world.volume}/a`);
    expect(await world.code(world.uplink({ b: Buffer.alloc(64 * 1024) }))).toBe("succeeded");
  });

  it("lets in, of several at once, what fits together", async () => {
    world.quota = 100 * 1024;
    const uplinks = ["a", "b", "c", "d"].map((name) => world.uplink({ [name]: Buffer.alloc(40 * 1024) }));
    const codes = await Promise.all(uplinks.map((uplink) => world.code(uplink)));
    expect(codes.sort()).toEqual(["QUOTA_EXCEEDED", "QUOTA_EXCEEDED", "succeeded", "succeeded"]);
    expect(world.deps.budget.reserved("ann")).toBe(0);
    expect(world.leftovers()).toEqual([]);
  });

  it("stops at the free-space floor", async () => {
    await world.restart({ freeFloorBytes: Number.MAX_SAFE_INTEGER });
    expect(await world.code(world.uplink({ a: "one" }))).toBe("STORAGE_FULL");
    expect(world.tree()).toEqual({});
    expect(world.leftovers()).toEqual([]);
  });

  it("calls a full disk by its name", async () => {
    const command = world.uplink({ a: "one" });
    command.onFetch = () =>
      Readable.from(
        (async function* () {
          yield Buffer.from("o");
          throw Object.assign(new Error("no space"), { code: "ENOSPC" });
        })(),
      );
    expect(await world.code(command)).toBe("STORAGE_FULL");
    expect(world.leftovers()).toEqual([]);
  });

  it("behaves as a model says, whatever is uplinked onto whatever", async () => {
    const name = fc.constantFrom("a", "b", "c");
    const target = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
    const uplinks = fc.array(
      fc.dictionary(target, fc.string({ unit: "binary", maxLength: 8 }), { minKeys: 1, maxKeys: 4 }),
      {
        minLength: 1,
        maxLength: 4,
      },
    );
    await fc.assert(
      fc.asyncProperty(uplinks, async (all) => {
        await using own = new VolumeWorld();
        let model = new Map<string, string>();
        for (const files of all) {
          const next = new Map([...model, ...Object.entries(files)]);
          const paths = [...next.keys()];
          const fits = paths.every((one) => paths.every((other) => !other.startsWith(`${one}/`)));
          const code = await own.code(own.uplink(files));
          expect(code).toBe(fits ? "succeeded" : "INVALID_PARAMETERS");
          if (fits) model = next;
          const tree = own.tree();
          const found = Object.entries(tree).filter(([, content]) => content !== null);
          expect(new Map(found as [string, string][])).toEqual(model);
        }
      }),
      { numRuns: 40 },
    );
  });
});
