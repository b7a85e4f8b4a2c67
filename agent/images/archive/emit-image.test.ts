import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ArchiveEntry, ociArchive, sha256, tarOf } from "#test/support/saved-archive.ts";
import { TarError, TarParser } from "../../files/tar-parser.ts";
import { ArchiveFile, fileArchive } from "./archive-stream.ts";
import { emitImage } from "./emit-image.ts";
import { readSavedImage, type SavedImage } from "./saved-image.ts";

const wanted = {
  architectures: [process.arch === "x64" ? "amd64" : process.arch],
};
const signal = new AbortController().signal;

let directory: string;
let path: string;
let fd: number;
let archive: ArchiveFile;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "perigee-emit-"));
  path = join(directory, "image.tar");
  writeFileSync(path, "");
  fd = openSync(path, "r");
  archive = new ArchiveFile(fileArchive(fd), { maxBytes: 10_000_000, maxEntries: 100 });
});
afterEach(() => {
  closeSync(fd);
  rmSync(directory, { recursive: true });
});

const read = (from = signal) => readSavedImage(archive, wanted, from);

async function emit(image: SavedImage): Promise<Map<string, Buffer>> {
  const parser = new TarParser(100);
  const files = new Map<string, Buffer>();
  let name = "";
  for await (const chunk of emitImage(archive, image, { reference: "r:1", maxBytes: 1e7, signal })) {
    for (const event of parser.push(chunk)) {
      if ("entry" in event) name = event.entry.name;
      else files.set(name, Buffer.concat([files.get(name) ?? Buffer.alloc(0), event.data]));
    }
  }
  parser.end();
  return files;
}

async function layer(content: string): Promise<Buffer> {
  return tarOf([{ name: "file", content }]);
}

describe("what goes to the engine", () => {
  test("is the config, the layers and a manifest of our own", async () => {
    const [a, b] = [await layer("a"), await layer("b")];
    const extra: ArchiveEntry[] = [
      { name: "repositories", content: '{"evil":{"latest":"x"}}' },
      { name: "evil.json", content: "{}" },
    ];
    writeFileSync(
      path,
      await ociArchive({ tags: ["x"], layers: [a, b, a], entries: (list) => [...extra, ...list] }),
    );
    const image = await read();
    const files = await emit(image);
    const manifest = JSON.parse(String(files.get("manifest.json")));
    expect(manifest).toHaveLength(1);
    expect(manifest[0]).toMatchObject({ Config: "config.json", RepoTags: ["r:1"] });
    const layers = (manifest[0].Layers as string[]).map((name) => files.get(name));
    expect(layers).toEqual([a, b, a]);
    expect([...files.keys()].sort()).toEqual(
      [...new Set([...manifest[0].Layers, "config.json", "manifest.json"])].sort(),
    );
    expect(files.get("config.json")).toEqual(image.config);
  });

  test("follows the links that older engines write between layers, in the archive only", async () => {
    const a = await layer("a");
    const bytes = await ociArchive({
      tags: ["x"],
      layers: [a, a],
      entries: (list) =>
        list.flatMap((entry) => {
          if (entry.content === a) {
            return [
              { name: "one/layer.tar", content: a },
              { name: "two/layer.tar", type: "symlink" as const, linkname: "../one/layer.tar" },
            ];
          }
          if (entry.name !== "manifest.json") return [entry];
          const [image] = JSON.parse(String(entry.content));
          return [
            { ...entry, content: JSON.stringify([{ ...image, Layers: ["one/layer.tar", "two/layer.tar"] }]) },
          ];
        }),
    });
    writeFileSync(path, gzipSync(bytes));
    const files = await emit(await read());
    const [manifest] = JSON.parse(String(files.get("manifest.json")));
    expect(manifest.Layers.map((name: string) => sha256(files.get(name)!))).toEqual([sha256(a), sha256(a)]);
  });

  test("is cut off when a pod rewrites the archive between the readings", async () => {
    const [a, b] = [await layer("a"), await layer("b")];
    const good = await ociArchive({ tags: ["x"], layers: [a] });
    const swapped = await ociArchive({
      tags: ["x"],
      layers: [a],
      entries: (list) => list.map((entry) => (entry.content === a ? { ...entry, content: b } : entry)),
    });
    const without = await ociArchive({ tags: ["x"], layers: [b] });
    for (const later of [swapped, without, Buffer.from("gone")]) {
      writeFileSync(path, good);
      const image = await read();
      writeFileSync(path, later);
      await expect(emit(image)).rejects.toThrow(TarError);
    }
    writeFileSync(path, good);
    const image = await read();
    truncateSync(path, 2000);
    await expect(emit(image)).rejects.toThrow(TarError);
  });

  test("ends with the signal's reason", async () => {
    writeFileSync(path, await ociArchive({ tags: ["x"], layers: [await layer("a")] }));
    const reason = new Error("cancelled");
    await expect(read(AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});
