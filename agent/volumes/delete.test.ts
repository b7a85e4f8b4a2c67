import fs from "node:fs";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { VolumeWorld } from "#test/support/volume-world.ts";

let world: VolumeWorld;
beforeEach(() => {
  world = new VolumeWorld().make();
});
afterEach(() => world[Symbol.asyncDispose]());

const remove = (path: string) => world.command("volume.delete", { volume: "v", path });

class Crash extends Error {}

function crash(): never {
  throw new Crash();
}

describe("volume.delete", () => {
  it("deletes a file, a directory with all in it, and a link but not its target", async () => {
    fs.mkdirSync(`${world.base}/outside`);
    fs.writeFileSync(`${world.base}/outside/f`, "kept");
    fs.mkdirSync(`${world.volume}/d/e`, { recursive: true });
    fs.writeFileSync(`${world.volume}/d/e/f`, "1");
    fs.symlinkSync(`${world.base}/outside`, `${world.volume}/d/link`);
    fs.symlinkSync(`${world.base}/outside`, `${world.volume}/link`);
    fs.writeFileSync(`${world.volume}/f`, "2");
    for (const path of ["link", "f", "d"]) expect(await world.run(remove(path))).toEqual({});
    expect(world.tree()).toEqual({});
    expect(fs.readdirSync(`${world.base}/outside`)).toEqual(["f"]);
    expect(world.leftovers()).toEqual([]);
  });

  it("refuses what is not there, the root, and what lies behind a link", async () => {
    fs.mkdirSync(`${world.base}/outside`);
    fs.writeFileSync(`${world.base}/outside/f`, "kept");
    fs.symlinkSync(`${world.base}/outside`, `${world.volume}/link`);
    fs.writeFileSync(`${world.volume}/f`, "kept");
    expect(await world.code(remove("none"))).toBe("DELETE_FAILED");
    expect(await world.code(remove("f/below"))).toBe("DELETE_FAILED");
    expect(await world.code(remove("link/f"))).toBe("ILLEGAL_PATH");
    await expect(world.run(remove(""))).rejects.toThrow("only by pvc/delete");
    const elsewhere = world.command("volume.delete", { volume: "none", path: "f" });
    expect(await world.code(elsewhere)).toBe("DELETE_FAILED");
    expect(fs.readdirSync(`${world.root}/ann`)).toEqual(["v"]);
    expect(fs.readFileSync(`${world.base}/outside/f`, "utf8")).toBe("kept");
  });

  it.each(["beforeNote", "afterNote"] as const)("ends once, cut %s at any step", async (when) => {
    for (const step of ["commit", "moved"]) {
      fs.writeFileSync(`${world.volume}/f`, "1");
      const command = remove("f");
      command[when] = (noted) => {
        if (noted === step) crash();
      };
      await expect(world.run(command)).rejects.toThrow(Crash);
      command[when] = undefined;
      await world.restart();
      await world.volumes.sweepIncoming(new Set([command.id]));
      const wasGone = !fs.existsSync(`${world.volume}/f`);
      // what a pod makes anew in the meantime is not what was asked to be deleted
      if (wasGone) fs.writeFileSync(`${world.volume}/f`, "made anew");
      expect(await world.run(command)).toEqual({});
      expect(world.tree()).toEqual(wasGone ? { f: "made anew" } : {});
      expect(world.leftovers()).toEqual([]);
    }
  });

  it("has succeeded when it had begun and finds nothing", async () => {
    const command = remove("f");
    command.notes.push({ step: "commit", detail: undefined });
    expect(await world.run(command)).toEqual({});
  });

  it("deletes whatever a model says is there", async () => {
    const path = fc
      .array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 3 })
      .map((parts) => parts.join("/"));
    await fc.assert(
      fc.asyncProperty(
        fc.array(path, { maxLength: 6 }),
        fc.array(path, { maxLength: 4 }),
        async (dirs, gone) => {
          await using own = new VolumeWorld().make();
          let model = new Set<string>();
          for (const dir of dirs) {
            fs.mkdirSync(`${own.volume}/${dir}`, { recursive: true });
            for (const [i, c] of [...`${dir}/`].entries()) if (c === "/") model.add(dir.slice(0, i));
          }
          for (const target of gone) {
            const command = own.command("volume.delete", { volume: "v", path: target });
            expect(await own.code(command)).toBe(model.has(target) ? "succeeded" : "DELETE_FAILED");
            model = new Set([...model].filter((one) => one !== target && !one.startsWith(`${target}/`)));
            expect(new Set(Object.keys(own.tree()))).toEqual(model);
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it("deletes trees and names that no path could name", async () => {
    const name = Buffer.concat([Buffer.from(`${world.volume}/d/`), Buffer.from([0xff, 0xfe])]);
    fs.mkdirSync(`${world.volume}/d`);
    fs.mkdirSync(name);
    fs.writeFileSync(Buffer.concat([name, Buffer.from([0x2f, 0x80])]), "1");
    await world.run(remove("d"));
    expect(world.tree()).toEqual({});
    expect(world.leftovers()).toEqual([]);
  });

  it("deletes nothing outside while another process swaps the way for links", async () => {
    fs.mkdirSync(`${world.base}/outside/e`, { recursive: true });
    fs.writeFileSync(`${world.base}/outside/e/f`, "kept");
    const { spawn } = await import("node:child_process");
    const swapper = spawn(
      process.execPath,
      [
        "-e",
        `const fs = require("fs"); const [, v, out] = process.argv;
         const may = (f) => { try { f(); } catch {} };
         for (let i = 0; i < 1500; i++) {
           may(() => fs.mkdirSync(v + "/d/e", { recursive: true })); may(() => fs.writeFileSync(v + "/d/e/f", "1"));
           may(() => fs.renameSync(v + "/d", v + "/kept" + i)); may(() => fs.symlinkSync(out, v + "/d"));
           may(() => fs.unlinkSync(v + "/d")); may(() => fs.renameSync(v + "/kept" + i, v + "/d")); }`,
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
    while (running) {
      codes.add(await world.code(remove("d/e/f")));
      codes.add(await world.code(remove("d/e")));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await ended).toBe(0);
    expect(fs.readFileSync(`${world.base}/outside/e/f`, "utf8")).toBe("kept");
    expect([...codes].filter((c) => !["succeeded", "DELETE_FAILED", "ILLEGAL_PATH"].includes(c))).toEqual([]);
  });
});
