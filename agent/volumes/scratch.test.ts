import fs from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ShuttingDown } from "#agent/operation.ts";
import type { TestCommand } from "#test/support/operation-context.ts";
import { VolumeWorld } from "#test/support/volume-world.ts";
import { receiveScratch } from "./scratch.ts";

let world: VolumeWorld;
beforeEach(() => {
  world = new VolumeWorld();
});
afterEach(() => world[Symbol.asyncDispose]());

const FILES = { Dockerfile: "FROM scratch\n", "ctx/a": "alpha", "ctx/deep/b": "beta" };
const TREE = {
  Dockerfile: "FROM scratch\n",
  ctx: null,
  "ctx/a": "alpha",
  "ctx/deep": null,
  "ctx/deep/b": "beta",
};

const receive = (
  command: TestCommand<"volume.uplink">,
  signal?: AbortSignal,
  { most = 1_000, isDurable = true } = {},
) =>
  receiveScratch(world.volumes, command.context(signal), {
    isDurable,
    async reserve(bytes) {
      if (bytes > most) throw new Error("over the quota");
      return { [Symbol.dispose]() {} };
    },
  });
const treeOf = (command: { id: string }) =>
  world.tree(path.join(world.root, ".incoming", command.id, "tree"));

describe("a command's staged files", () => {
  test("are a tree of their own for as long as it runs, in no volume and for nobody else to reach", async () => {
    const command = world.uplink(FILES);
    {
      await using scratch = await receive(command);
      expect(treeOf(command)).toEqual(TREE);
      expect(fs.readFileSync(scratch.directory.at("Dockerfile"), "utf8")).toBe("FROM scratch\n");
      expect(fs.statSync(path.join(world.root, ".incoming")).mode & 0o077).toBe(0);
      expect(await world.volumes.listVolumes("ann")).toEqual([]);
    }
    expect(world.leftovers()).toEqual([]);
  });

  test("are left by an agent that stops, and not received again by the next", async () => {
    const command = world.uplink(FILES);
    const stopping = new AbortController();
    {
      await using _ = await receive(command, stopping.signal);
      stopping.abort(new ShuttingDown("stopping"));
    }
    await world.restart();
    await world.volumes.sweepIncoming(new Set([command.id]));
    fs.rmSync(world.staging, { recursive: true });
    {
      await using _ = await receive(command);
      expect(treeOf(command)).toEqual(TREE);
    }
    expect(world.leftovers()).toEqual([]);
  });

  test("that need not be durable are left by an agent that dies, and not received again by the next", async () => {
    const command = world.uplink(FILES);
    const stopping = new AbortController();
    {
      await using _ = await receive(command, stopping.signal, { isDurable: false });
      stopping.abort(new ShuttingDown("stopping"));
    }
    await world.restart();
    fs.rmSync(world.staging, { recursive: true });
    {
      await using _ = await receive(command, undefined, { isDurable: false });
      expect(treeOf(command)).toEqual(TREE);
    }
    expect(world.leftovers()).toEqual([]);
  });

  test("that need not be durable are received again once the machine was down", async () => {
    const command = world.uplink(FILES);
    const stopping = new AbortController();
    {
      await using _ = await receive(command, stopping.signal, { isDurable: false });
      stopping.abort(new ShuttingDown("stopping"));
    }
    const place = path.join(world.root, ".incoming", command.id);
    // all that a power cut may leave: names without what was written under them
    for (const name of ["plan.json", "life", "tree/Dockerfile"]) fs.truncateSync(path.join(place, name));
    await world.restart();
    {
      await using _ = await receive(command, undefined, { isDurable: false });
      expect(treeOf(command)).toEqual(TREE);
    }
    expect(world.leftovers()).toEqual([]);
  });

  test("of another life of the machine are gone on with where they are what they say", async () => {
    const command = world.uplink(FILES);
    const place = path.join(world.root, ".incoming", command.id);
    fs.mkdirSync(place, { recursive: true, mode: 0o700 });
    fs.writeFileSync(path.join(place, "life"), "another");
    fs.writeFileSync(path.join(place, "0"), FILES.Dockerfile);
    fs.writeFileSync(path.join(place, "1.part"), "al");
    fs.writeFileSync(path.join(place, "2"), "\0\0\0\0");
    const context = command.context();
    const fetched: [n: number, from: number][] = [];
    const watched: typeof context = {
      ...context,
      fetchInto: (n, offset, ...rest) => {
        fetched.push([n, offset]);
        return context.fetchInto(n, offset, ...rest);
      },
    };
    const options = { isDurable: false, reserve: async () => ({ [Symbol.dispose]() {} }) };
    {
      await using _ = await receiveScratch(world.volumes, watched, options);
      expect(treeOf(command)).toEqual(TREE);
    }
    expect(fetched.sort()).toEqual([
      [1, 2],
      [2, 0],
    ]);
    expect(world.leftovers()).toEqual([]);
  });

  test("over the quota, or cancelled, leave nothing", async () => {
    await expect(receive(world.uplink(FILES), undefined, { most: 10 })).rejects.toThrow("over the quota");
    const cancelled = AbortSignal.abort(new Error("cancelled"));
    await expect(receive(world.uplink(FILES), cancelled)).rejects.toThrow("cancelled");
    expect(world.leftovers()).toEqual([]);
  });
});
