import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { buffer } from "node:stream/consumers";
import { extract } from "tar-stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ByteRange } from "#protocol/byte-range.ts";
import { PerigeeError } from "#protocol/errors.ts";
import { VolumeWorld } from "#test/support/volume-world.ts";
import type { RangedSource } from "../files/ranged-source.ts";
import { readHandler } from "./read.ts";
import { etagOf } from "./validators.ts";

let world: VolumeWorld;
beforeEach(() => {
  world = new VolumeWorld().make();
  fs.mkdirSync(`${world.volume}/dir/sub`, { recursive: true });
  fs.writeFileSync(`${world.volume}/dir/file`, "0123456789");
  fs.writeFileSync(`${world.volume}/empty`, "");
});
afterEach(() => world[Symbol.asyncDispose]());

function command(path: string, range?: ByteRange, ifRange?: string) {
  return world.command("volume.read", { volume: "v", path, range, ifRange });
}

async function read(path: string, range?: ByteRange, ifRange?: string) {
  const one = command(path, range, ifRange);
  const result = await world.run(one);
  expect(result.content.size).toBe(one.stored().length);
  return { ...result, bytes: one.stored() };
}

describe("volume.read of what changes before anybody reads it", () => {
  // A pod may do that while the agent still asks where to send the file.
  it.each(["dir/file", "dir"])("fails %s, and nothing else", async (path) => {
    const one = command(path);
    const context = one.context();
    const change = () => fs.truncateSync(`${world.volume}/dir/file`, path === "dir" ? 2000 : 2);
    world.quota = 1000;
    const running = readHandler(
      world.volumes,
      world.deps,
    )({
      ...context,
      store: async (n, body, maxBytes) => {
        change();
        return context.store(n, body, maxBytes);
      },
      spool: async (n, make, maxBytes) => {
        change();
        const body = make();
        if (!body.closed) await new Promise((resolve) => body.once("close", resolve));
        return context.spool(n, () => body, maxBytes);
      },
    });
    await expect(running).rejects.toMatchObject({ code: "INVALID_PATH" });
  });

  it("sends a copy of a file that changes while it is sent", async () => {
    const one = command("dir/file");
    const context = one.context();
    const given: boolean[] = [];
    const result = await readHandler(
      world.volumes,
      world.deps,
    )({
      ...context,
      store: async (n, body, maxBytes) => {
        given.push("pin" in body);
        if ("pin" in body) {
          expect(() => (body as RangedSource).check?.()).not.toThrow();
          fs.appendFileSync(`${world.volume}/dir/file`, "more");
          (body as RangedSource).check?.();
        }
        return context.store(n, body, maxBytes);
      },
    });
    expect(given).toEqual([true, false]);
    expect(String(one.stored())).toBe("0123456789more");
    expect(result).toMatchObject({ total: 14, content: { n: 0, size: 14 } });
    expect(result.etag).toBe(etagOf(fs.statSync(`${world.volume}/dir/file`, { bigint: true })));
  });
});

describe("volume.read of a file", () => {
  it("sends it whole", async () => {
    const { bytes, ...result } = await read("dir/file");
    expect(bytes.toString()).toBe("0123456789");
    expect(result).toMatchObject({ kind: "file", name: "file", total: 10, content: { n: 0, size: 10 } });
    expect(result.range).toBeUndefined();
    expect(result.modified).toBeCloseTo(fs.statSync(`${world.volume}/dir/file`).mtimeMs, -1);
    expect((await read("empty")).bytes).toHaveLength(0);
  });

  it.each<[ByteRange, string, { start: number; end: number } | undefined]>([
    [{ start: 2, end: 4 }, "234", { start: 2, end: 4 }],
    [{ start: 7 }, "789", { start: 7, end: 9 }],
    [{ start: 7, end: 99 }, "789", { start: 7, end: 9 }],
    [{ suffix: 3 }, "789", { start: 7, end: 9 }],
    [{ suffix: 99 }, "0123456789", { start: 0, end: 9 }],
    [{ start: 5, end: 4 }, "0123456789", undefined],
    [{}, "0123456789", undefined],
  ])("sends of the range %j %j", async (range, expected, sent) => {
    const result = await read("dir/file", range);
    expect(result.bytes.toString()).toBe(expected);
    expect(result.range).toEqual(sent);
    expect(result.total).toBe(10);
  });

  it.each([{ start: 10 }, { start: 10, end: 12 }, { suffix: 0 }])("cannot satisfy %j", async (range) => {
    await expect(world.run(command("dir/file", range))).rejects.toMatchObject({
      code: "RANGE_NOT_SATISFIABLE",
      data: { total: 10 },
    });
  });

  it("sends the tail of an empty file as all of it", async () => {
    expect((await read("empty", { suffix: 5 })).range).toBeUndefined();
  });

  it("holds to If-Range by etag and by date", async () => {
    const file = `${world.volume}/dir/file`;
    const { etag } = await read("dir/file");
    const range = { start: 1, end: 1 };
    expect((await read("dir/file", range, etag)).bytes.toString()).toBe("1");
    expect((await read("dir/file", range, `W/${etag}`)).bytes).toHaveLength(10);
    const old = new Date("2020-01-01T00:00:00.700Z");
    fs.utimesSync(file, old, old);
    expect((await read("dir/file", range, old.toUTCString())).bytes.toString()).toBe("1");
    expect((await read("dir/file", range, new Date(0).toUTCString())).bytes).toHaveLength(10);
    expect((await read("dir/file", range, "nonsense")).bytes).toHaveLength(10);
    fs.writeFileSync(file, "abcdefghij");
    const changed = await read("dir/file", range, etag);
    expect(changed.bytes.toString()).toBe("abcdefghij");
    expect(changed.etag).not.toBe(etag);
  });

  it("refuses what it may not or cannot send", async () => {
    fs.symlinkSync("/etc/passwd", `${world.volume}/link`);
    fs.symlinkSync("/etc", `${world.volume}/etc`);
    execFileSync("mkfifo", [`${world.volume}/fifo`]);
    expect(await world.code(command("none"))).toBe("FILE_NOT_FOUND");
    expect(await world.code(command("dir/file/below"))).toBe("FILE_NOT_FOUND");
    expect(await world.code(command("link"))).toBe("ILLEGAL_PATH");
    expect(await world.code(command("etc/passwd"))).toBe("ILLEGAL_PATH");
    expect(await world.code(command("fifo"))).toBe("INVALID_PATH");
    world.quota = 5;
    expect(await world.code(command("dir/file"))).toBe("QUOTA_EXCEEDED");
  });

  it("finds nothing in a volume that is none, and makes none", async () => {
    const one = world.command("volume.read", { volume: "other", path: "" });
    expect(await world.code(one)).toBe("FILE_NOT_FOUND");
    expect(fs.readdirSync(`${world.root}/ann`)).toEqual(["v"]);
  });

  it("fails cleanly when the file shrinks meanwhile, and sends what it said when it grows", async () => {
    const file = `${world.volume}/big`;
    const size = 16 * 1024 * 1024;
    for (const [change, outcome] of [
      [() => fs.truncateSync(file, 5), "INVALID_PATH"],
      [() => fs.appendFileSync(file, "more"), "succeeded"],
    ] as const) {
      fs.writeFileSync(file, Buffer.alloc(size));
      const one = command("big");
      let changed = false;
      const context = one.progress;
      context.push = (...items) => {
        if (!changed) change();
        changed = true;
        return items.length;
      };
      expect(await world.code(one)).toBe(outcome);
      if (outcome === "succeeded") expect(one.stored()).toHaveLength(size);
    }
  });

  it("stops with the signal's reason and leaves no descriptor open", async () => {
    fs.writeFileSync(`${world.volume}/big`, Buffer.alloc(16 * 1024 * 1024));
    for (const path of ["big", ""]) {
      const one = command(path);
      const abort = new AbortController();
      one.progress.push = () => {
        abort.abort(new PerigeeError("CANCELLED", "cancelled"));
        return 0;
      };
      expect(await world.code(one, abort.signal)).toBe("CANCELLED");
    }
    const open = () =>
      fs
        .readdirSync("/proc/self/fd")
        .map((fd) => {
          try {
            return fs.readlinkSync(`/proc/self/fd/${fd}`);
          } catch {
            return "";
          }
        })
        .filter((target) => target.startsWith(world.volume));
    await expect.poll(open).toEqual([]);
  });
});

describe("volume.read of a directory", () => {
  async function unpack(tar: Buffer): Promise<string[]> {
    const names: string[] = [];
    const reader = extract();
    reader.end(tar);
    for await (const entry of reader) {
      names.push(entry.header.name);
      await buffer(entry as unknown as AsyncIterable<Buffer>);
    }
    return names;
  }

  it("sends a tar of files and directories alone", async () => {
    fs.symlinkSync("/etc/passwd", `${world.volume}/dir/link`);
    const { bytes, ...result } = await read("dir");
    expect(await unpack(bytes)).toEqual(["file", "sub/"]);
    expect(result).toMatchObject({ kind: "directory", name: "dir", total: bytes.length });
    expect((await read("dir")).etag).toBe(result.etag);
  });

  it("calls the root after the volume", async () => {
    const { bytes, ...result } = await read("");
    expect(result.name).toBe("v");
    expect(await unpack(bytes)).toEqual(["dir/", "dir/file", "dir/sub/", "empty"]);
  });

  it("does not send more than the quota", async () => {
    fs.truncateSync(`${world.volume}/empty`, 2 ** 43);
    world.quota = 2 ** 30;
    expect(await world.code(command(""))).toBe("INVALID_PATH");
  });
});
