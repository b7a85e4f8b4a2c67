import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { KiB, MiB } from "#protocol/limits.ts";
import { LIVE_LIMITS } from "#protocol/live-limits.ts";
import { share } from "#test/support/long-run.ts";
import { exec, type LiveWorld, makeLiveWorld } from "./support/live-world.ts";

/** 256 kbit/s, with a round trip of 600 ms. */
const BYTES_PER_SECOND = 32_000;
const WAY_MS = 300;
/**
 * What such a link carries up in the 1.5 s of a keystroke, less its two ways: no more is ahead of an echo. Bytes, because
 * the machine's pace has no part in them.
 */
const BYTES_AHEAD = 1.5 * BYTES_PER_SECOND - (2 * WAY_MS * BYTES_PER_SECOND) / 1000;
const KEYS = share(200, 12);
/** of a dozen, one that met a pause of this machine must not be the measure */
const QUANTILE = share(0.95, 0.75);

let world: LiveWorld;
let directory: string;
beforeEach(async () => {
  world = await makeLiveWorld();
  directory = mkdtempSync(join(tmpdir(), "perigee-thin-link-"));
});
afterEach(async () => {
  await world.close();
  rmSync(directory, { recursive: true, force: true });
});

test("a terminal stays usable beside a large file of another session", { timeout: 540_000 }, async () => {
  const file = join(directory, "large");
  writeFileSync(file, randomBytes(20 * MiB));
  world.sessions.file = file;
  await world.startAgent();
  await world.pod("alice", "p");
  await world.pod("bob", "q");
  const { link } = world;
  const terminal = world.open("alice", "p", exec(["cat"]));
  await terminal.started;
  const echoes = terminal.output[Symbol.asyncIterator]();
  const key = async () => {
    await terminal.write(Buffer.from("k"));
    const { value } = await echoes.next();
    expect(Buffer.from(value!.data).toString()).toBe("k");
  };
  await key();
  link.bytesPerSecond = BYTES_PER_SECOND;
  link.delayMs = WAY_MS;
  const raw = world.open("bob", "q", { kind: "read", read: { path: "large", as: "user" } });
  let read = 0;
  const reading = (async () => {
    for await (const { data } of raw.output) read += data.length;
  })();
  await raw.started;
  const ahead: number[] = [];
  world.sessions.wrote = () => ahead.push(link.ahead("up"));
  for (let n = 0; n < KEYS; n++) await key();
  expect(ahead).toHaveLength(KEYS);
  ahead.sort((a, b) => a - b);
  // the file moved all the while, in what the terminal left of the link
  expect(read).toBeGreaterThan(KEYS * 1000);
  expect(ahead[Math.floor(QUANTILE * KEYS)]).toBeLessThan(BYTES_AHEAD);
  // and never more than the file begins with, its frames' heads and the answers of other calls
  expect(ahead.at(-1)).toBeLessThan(LIVE_LIMITS.firstCreditBytes + 4 * KiB);
  raw.close();
  terminal.close();
  await reading;
});
