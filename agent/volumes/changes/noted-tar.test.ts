import fs from "node:fs";
import { setTimeout } from "node:timers/promises";
import { extract } from "tar-stream";
import { afterEach, beforeEach, expect, it } from "vitest";
import { LIMITS } from "#protocol/limits.ts";
import { CHANGES_FILE, type VolumeChanges, volumeChanges } from "#protocol/volume-changes.ts";
import { VolumeWorld } from "#test/support/volume-world.ts";
import { fileSign, keptFileSign } from "./entries.ts";

let world: VolumeWorld;
beforeEach(() => {
  world = new VolumeWorld().make();
  fs.mkdirSync(`${world.volume}/d/sub`, { recursive: true });
  for (const name of ["a", "b", "sub/c"]) fs.writeFileSync(`${world.volume}/d/${name}`, name);
});
afterEach(() => world[Symbol.asyncDispose]());

/** Times of files are good to tell later writes after that. */
const settle = () => setTimeout(30);

async function downlink(since?: string, path = "d") {
  const command = world.command("volume.read", { volume: "v", path, ...(since && { since }) });
  const result = await world.run(command);
  const entries: [string, string][] = [];
  const unpack = extract();
  unpack.end(command.stored());
  for await (const entry of unpack) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    entries.push([entry.header.name, String(Buffer.concat(chunks))]);
  }
  let changes: VolumeChanges | undefined;
  if (since !== undefined) {
    const [name, text] = entries.shift() ?? [];
    expect(name).toBe(CHANGES_FILE);
    changes = volumeChanges.parse(JSON.parse(text ?? ""));
    expect(changes).toMatchObject({ since: result.since ?? null, listing: result.listing });
  }
  return {
    listing: result.listing!,
    since: result.since,
    changes,
    entries,
    names: entries.map(([name]) => name),
  };
}

const ALL = ["a", "b", "sub/", "sub/c"];

it("brings everything at first, and then what is new or changed, and tells what is gone", async () => {
  await settle();
  const first = await downlink();
  expect(first).toMatchObject({ since: undefined, names: ALL });
  expect(await downlink(first.listing)).toMatchObject({
    since: first.listing,
    names: [],
    changes: { gone: [] },
  });
  fs.writeFileSync(`${world.volume}/d/b`, "B");
  fs.mkdirSync(`${world.volume}/d/new`);
  fs.writeFileSync(`${world.volume}/d/new/${CHANGES_FILE}`, "a name like any other");
  fs.rmSync(`${world.volume}/d/sub`, { recursive: true });
  const second = await downlink(first.listing);
  expect(second.entries).toEqual([
    ["b", "B"],
    ["new/", ""],
    [`new/${CHANGES_FILE}`, "a name like any other"],
  ]);
  expect(second.changes?.gone).toEqual(["sub/c", "sub/"]);
  await settle();
  fs.chmodSync(`${world.volume}/d/a`, 0o700);
  expect((await downlink(second.listing)).names).toContain("a");
});

it("tells of a file that became a directory, and of names that are no text", async () => {
  const odd = Buffer.from(`${world.volume}/d/\xff`, "latin1");
  fs.writeFileSync(odd, "odd");
  await settle();
  const { listing } = await downlink();
  fs.rmSync(`${world.volume}/d/a`);
  fs.mkdirSync(`${world.volume}/d/a`);
  fs.rmSync(`${world.volume}/d/b`);
  fs.symlinkSync("/etc/passwd", `${world.volume}/d/b`);
  fs.rmSync(odd);
  const { names, changes } = await downlink(listing);
  expect(names).toEqual(["a/"]);
  expect(changes).toMatchObject({ gone: ["b", "a"], gone_base64: [Buffer.from([0xff]).toString("base64")] });
});

it("takes a file for changed when it was written to as it was sent, as its times may hide a second write", () => {
  const stats = fs.statSync(`${world.volume}/d/a`, { bigint: true });
  const at = (ms: number) =>
    Object.assign(Object.create(stats), { ...stats, ctimeMs: BigInt(Date.now() + ms) });
  expect(keptFileSign(at(-60_000))).toBe(fileSign(stats));
  expect(keptFileSign(at(+60_000))).not.toBe(fileSign(stats));
});

it("brings everything and says so when it does not know the listing", async () => {
  const { listing } = await downlink();
  for (const [since, path] of [
    ["01UNKNOWN", "d"],
    [listing, "d/sub"],
  ] as const) {
    const answer = await downlink(since, path);
    expect(answer.since).toBeUndefined();
    expect(answer.names).toEqual(path === "d" ? ALL : ["c"]);
  }
  const old = new Date(Date.now() - LIMITS.listingMs - 60_000);
  fs.utimesSync(`${world.base}/hashes/listings/ann/v/${listing}`, old, old);
  expect((await downlink(listing)).names).toEqual(ALL);
  fs.writeFileSync(`${world.base}/hashes/listings/ann/v/${listing}`, '{"path":"d","entr');
  expect((await downlink(listing)).names).toEqual(ALL);
});

it("knows another user's listing as little as one of another volume", async () => {
  const { listing } = await downlink();
  expect(world.volumes.listings.get("ann", "v", listing)).toBeDefined();
  expect(world.volumes.listings.get("bob", "v", listing)).toBeUndefined();
  expect(world.volumes.listings.get("ann", "w", listing)).toBeUndefined();
});

it("keeps a bounded number of listings, over a restart, and none of a volume that was deleted", async () => {
  await settle();
  const kept = `${world.base}/hashes/listings/ann/v`;
  const listings: string[] = [];
  for (let i = 0; i <= LIMITS.listings; i++) {
    const { listing } = await downlink();
    listings.push(listing);
    const at = new Date(Date.now() - 60_000 + i * 1000);
    fs.utimesSync(`${kept}/${listing}`, at, at);
  }
  expect(fs.readdirSync(kept).sort()).toEqual(listings.slice(1).sort());
  await world.restart();
  expect((await downlink(listings.at(-1))).names).toEqual([]);
  await world.run(world.command("volume.remove", { volume: "v" }));
  expect(fs.existsSync(kept)).toBe(false);
});
