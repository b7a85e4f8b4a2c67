import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it } from "vitest";
import { objectSourceConformance } from "#test/conformance/object-source.ts";
import { openDirectoryObjects } from "./objects.ts";
import { DirectoryStaging } from "./staging.ts";

async function inDirectory() {
  const root = await mkdtemp(path.join(tmpdir(), "objects-"));
  const options = { secret: randomBytes(32), freeFloorBytes: 0 };
  const staging = await DirectoryStaging.open(path.join(root, "staging"), options);
  const objects = await openDirectoryObjects(path.join(root, "objects"), staging, options);
  return { root, staging, objects, close: () => rm(root, { recursive: true, force: true }) };
}

objectSourceConformance("directory", inDirectory);

it("a pin takes no room: it is the same file", async () => {
  const { root, objects, close } = await inDirectory();
  try {
    const name = { owner: "uid", bucket: "abc", key: "../../a.bin" };
    await objects.put(name, Buffer.alloc(5000), { maxBytes: 5000 });
    await objects.pin(name, "uplink/ann/_/c/0");
    const entries = await readdir(root, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    expect(files).toHaveLength(2);
    const inodes = await Promise.all(
      files.map(async (file) => (await stat(path.join(file.parentPath, file.name))).ino),
    );
    expect(new Set(inodes).size).toBe(1);
    // nothing went where the key would have led as a path
    expect((await readdir(root)).sort()).toEqual(["objects", "staging"]);
  } finally {
    await close();
  }
});
