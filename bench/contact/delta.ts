import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { zstdCompressSync } from "node:zlib";
import { makeDelta } from "#cli/delta/make-delta.ts";
import { readChunkList } from "#protocol/chunking/chunk-list.ts";
import { KiB } from "#protocol/limits.ts";
import { chunksOf } from "#test/support/chunks-of.ts";
import type { Row } from "../table.ts";

const run = promisify(execFile);
const SIZE = Math.round(100_000_000 * Number(process.env.BENCH_SCALE ?? 1));
const PLACES = 10;
const RANGE = 32 * KiB;
const PACKAGES = ["typescript", "zod"];

/**
 * What crosses the link of a delta, the list of chunks with it, against the bytes that `rsync` moves for the same change,
 * and against `zstd --patch-from`, which has both files before it.
 */
export async function measureDelta(): Promise<Row[]> {
  const place = mkdtempSync(join(tmpdir(), "perigee-delta-"));
  const [before, after] = [join(place, "before"), join(place, "after")];
  try {
    const old = randomBytes(SIZE);
    writeFileSync(before, old);
    const changed = SIZE / 100 / PLACES;
    for (let i = 0; i < PLACES; i++) randomBytes(changed).copy(old, ((i + 0.4) * SIZE) / PLACES);
    writeFileSync(after, old);
    const rows = await compare(place, `${SIZE / 1e6} MB with 1 % changed in ten places`);
    await layer(place, before, "2026-01-01", "");
    await layer(place, after, "2026-02-01", "// built again\n");
    return [...rows, ...(await compare(place, "a container layer's tar, built again"))];
  } finally {
    rmSync(place, { recursive: true });
  }
}

/** A tar of packages as a build leaves it: all files newer, and one of them another. */
async function layer(place: string, path: string, built: string, more: string): Promise<void> {
  const root = join(place, "layer");
  rmSync(root, { recursive: true, force: true });
  for (const name of PACKAGES) cpSync(join("node_modules", name), join(root, name), { recursive: true });
  const file = join(root, "zod/index.js");
  writeFileSync(file, more + readFileSync(file, "utf8"));
  await run("tar", [
    "-C",
    root,
    "--sort=name",
    `--mtime=${built}`,
    "--owner=0",
    "--group=0",
    "-cf",
    path,
    ".",
  ]);
}

async function compare(place: string, what: string): Promise<Row[]> {
  const at = (name: string) => join(place, name);
  const asked = await delta(place, false);
  const packed = await delta(place, true);
  await run("zstd", ["-q", "-f", "--long=31", "--patch-from", at("before"), at("after"), "-o", at("patch")]);
  const patch = statSync(at("patch")).size;
  const moved = await rsync(at("before"), at("after"), at("copy"));
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(3)} MB`;
  const whole = statSync(at("after")).size;
  const row = (ours: number, peer: string, bytes: number, how = ""): Row => {
    return {
      what: `delta of ${what}${how}`,
      ours: mb(ours),
      peer: `${peer}: ${mb(bytes)}`,
      ratio: ours / bytes,
    };
  };
  const goal = { atMost: 1.3 };
  return [
    row(asked, "all of it", whole),
    { ...row(asked, "rsync -z, which has not both files either", moved), goal },
    row(asked, "zstd --patch-from", patch),
    { ...row(packed, "zstd --patch-from", patch, ", with --base"), goal },
    { ...row(packed, "the better of both", Math.min(moved, patch), ", with --base"), goal },
  ];
}

/** Bytes of the list to the client, where it is asked for, and, in compressed ranges, of the delta to the edge. */
async function delta(place: string, packed: boolean): Promise<number> {
  const old = join(place, "before");
  const content = readFileSync(old);
  const list = chunksOf(content);
  const [source, path] = [join(place, "after"), join(place, "delta")];
  rmSync(path, { force: true });
  const file = { source, path: "f", size: statSync(source).size, follow: true };
  const { signal } = new AbortController();
  await makeDelta(file, readChunkList(list, content.length), path, {
    signal,
    most: content.length,
    old: packed ? { ...file, source: old, size: content.length } : undefined,
  });
  const made = readFileSync(path);
  let sent = packed ? 0 : list.length;
  for (let at = 0; at < made.length; at += RANGE) {
    const range = made.subarray(at, at + RANGE);
    sent += Math.min(range.length, zstdCompressSync(range).length);
  }
  return sent;
}

/** Bytes that rsync sends and receives to make a copy of `before` what `after` is. */
async function rsync(before: string, after: string, copy: string): Promise<number> {
  cpSync(before, copy);
  // its own protocol over a pipe, as through ssh: on one machine it would copy all
  const argv = ["-z", "--no-whole-file", "--inplace", "--ignore-times", "--stats", after, copy];
  const { stdout } = await run("rsync", argv);
  const bytes = (name: string) => {
    return Number(new RegExp(`Total bytes ${name}: ([\\d,.]+)`).exec(stdout)?.[1]?.replaceAll(/[,.]/g, ""));
  };
  return bytes("sent") + bytes("received");
}
