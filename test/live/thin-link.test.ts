import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MiB } from "#protocol/limits.ts";
import { share } from "#test/support/long-run.ts";
import { exec, type LiveWorld, makeLiveWorld } from "./support/live-world.ts";

/** 256 kbit/s, with a round trip of 600 ms. */
const BYTES_PER_SECOND = 32_000;
const WAY_MS = 300;
/** What such a link carries up in 1.5 s: a keystroke's echo is not behind more. The machine's pace has no part in it. */
const BYTES_BEFORE_ECHO = 1.5 * BYTES_PER_SECOND;
const KEYS = share(200, 12);

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
  const behind: number[] = [];
  for (let n = 0; n < KEYS; n++) {
    const before = link.carried.up;
    await key();
    behind.push(link.carried.up - before);
  }
  const p95 = behind.toSorted((a, b) => a - b)[Math.floor(0.95 * KEYS)]!;
  // the file moved all the while, in what the terminal left of the link
  expect(read).toBeGreaterThan(KEYS * 1000);
  expect(p95).toBeLessThan(BYTES_BEFORE_ECHO);
  raw.close();
  terminal.close();
  await reading;
});
