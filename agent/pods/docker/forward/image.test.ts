import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import type Docker from "dockerode";
import { extract } from "tar-stream";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ForwardParts, forwardImage, forwardParts, linkedWith } from "./image.ts";

let directory: string;
let parts: ForwardParts;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "perigee-image-"));
  writeFileSync(join(directory, "libx.so.1"), "newer");
  // an update took the file away that is in use
  const libraries = new Map([["libx.so.1", join(directory, "libx.so.1.0.3")]]);
  parts = { ...forwardParts(), libraries };
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** An engine without the image. */
function engine(imported: (tar: Readable) => Promise<void>): Docker {
  return {
    getImage: () => ({
      inspect: async () => {
        throw Object.assign(new Error("no such image"), { statusCode: 404 });
      },
    }),
    importImage: async (tar: Readable) => {
      await imported(tar);
      return Readable.from([]);
    },
  } as unknown as Docker;
}

test("an image has this very Node, and a library that was replaced as it is now", async () => {
  const sizes: Record<string, number | undefined> = {};
  const docker = engine(async (tar) => {
    const entries = extract();
    tar.pipe(entries);
    for await (const entry of entries) {
      sizes[entry.header.name] = entry.header.size;
      // all of it would take its time
      if (entry.header.name === "node") throw new Error("enough");
      entry.resume();
    }
  });
  await expect(forwardImage(docker, parts)).rejects.toThrow("enough");
  expect(sizes).toEqual({
    "program.cjs": expect.any(Number),
    node: statSync("/proc/self/exe").size,
    "lib/libx.so.1": readFileSync(join(directory, "libx.so.1")).length,
  });
});

test("an import that fails is told of once", async () => {
  const docker = engine(async () => {
    throw new Error("no room");
  });
  await expect(forwardImage(docker, parts)).rejects.toThrow("no room");
  const gone = new Map([["liby.so.1", join(directory, "liby.so.1")]]);
  await expect(forwardImage(docker, { ...parts, libraries: gone })).rejects.toThrow("ENOENT");
  // an unhandled error would fail this test
  await new Promise(setImmediate);
});

test("what a process has loaded is what its program is linked with, by the names that it asks for", () => {
  const maps = [
    "00400000-00a1e000 r--p 00000000 fe:00 42  /usr/bin/node",
    "7f1e1a000000-7f1e1a021000 rw-p 00000000 00:00 0 ",
    "7f1e20600000-7f1e20700000 r--p 00000000 fe:00 43  /usr/lib/libstdc++.so.6.0.30 (deleted)",
    "7f1e20700000-7f1e20800000 r-xp 00000000 fe:00 43  /usr/lib/libstdc++.so.6.0.30 (deleted)",
    "7f1e20800000-7f1e20900000 r-xp 00000000 fe:00 44  /opt/xxhash.linux-x64-gnu.node",
    "7f1e20900000-7f1e20a00000 r-xp 00000000 fe:00 45  /usr/lib/ld-linux-x86-64.so.2",
  ].join("\n");
  const { libraries, loader } = linkedWith(maps);
  expect([...libraries]).toEqual([
    ["libstdc++.so.6", "/usr/lib/libstdc++.so.6.0.30"],
    ["ld-linux-x86-64.so.2", "/usr/lib/ld-linux-x86-64.so.2"],
  ]);
  expect(loader).toBe("ld-linux-x86-64.so.2");
  expect(linkedWith("00400000-00a1e000 r--p 00000000 fe:00 42  /usr/bin/node").loader).toBeUndefined();
});
