import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { SqliteStore } from "#lambdas/adapters/sqlite/store.ts";
import { poseidon } from "#lambdas/dialects/poseidon/dialect.ts";
import { FIRST_LANE_OPTIONS } from "#lambdas/ledger/lane-options.ts";
import { Ledger } from "#lambdas/ledger/ledger.ts";
import { StoredWindows } from "#lambdas/windows/stored-windows.ts";
import { KiB } from "#protocol/limits.ts";
import { type Deployment, deploy, type Lane } from "#test/faults/support/deployment.ts";
import { type Link, openLink } from "../../scripts/link/link.ts";
import { quicker, readProfiles } from "../../scripts/link/profile.ts";

/** 256 kbit/s, 1 s one way and 2 % loss, in a tenth of the time. */
const PROFILE = quicker(readProfiles().pass!, 10);
/** Pieces of one chunk are sent and fetched side by side: with an agent that dies, so much may come again. */
const CHUNK = 768 * KiB;
/** What is said beside content: heartbeats, claims, progress, URLs, headers. */
const SAID = 60 * KiB;

let link: Link;
let deployment: Deployment;
let lane: Lane;
beforeAll(async () => {
  link = await openLink(PROFILE);
  deployment = await deploy(1, { link, agent: { pollMs: 1000 } });
  lane = deployment.lanes[0]!;
});
afterAll(async () => {
  await deployment?.close();
  await link?.close();
});

let volume: string;
let content: Buffer;
let before: ReturnType<Link["stats"]>;
beforeEach(() => {
  volume = lane.volume("v");
  rmSync(volume, { recursive: true, force: true });
  mkdirSync(volume, { recursive: true });
  content = randomBytes(1_200_000);
  before = link.stats();
});

const crossed = (way: "up" | "down") => link.stats()[way].payload - before[way].payload;
const dying = (way: "up" | "down") => link.stats()[way].silent - before[way].silent;
const later = { headers: { prefer: "respond-async" } };

/** Contact ends in the middle of a packet once so much has crossed, and is gone until both ends have spoken into it. */
async function windowEnds(way: "up" | "down", bytes: number): Promise<void> {
  await expect.poll(() => crossed(way), { timeout: 120_000, interval: 20 }).toBeGreaterThan(bytes);
  link.cut();
  await expect
    .poll(() => Math.min(dying("up"), dying("down")), { timeout: 120_000, interval: 20 })
    .toBeGreaterThan(1);
}

async function endOf(answer: { status: number; header(name: string): string | undefined; text: string }) {
  expect(answer.status, answer.text).toBe(202);
  for (;;) {
    const { data } = (await lane.client.get(answer.header("location")!, { wait: 20 })).json;
    if (!["queued", "running"].includes(data.state)) return data.state;
  }
}

/** Commands that would fail if they were done twice. */
async function deletions() {
  const names = ["a", "b", "c"];
  for (const name of names) writeFileSync(join(volume, name), name);
  return Promise.all(
    names.map((filepath) => lane.client.encoded("/em/files/delete", { pod_name: "v", filepath }, later)),
  );
}

describe("a window that ends in the middle of a transfer", () => {
  test("up: it goes on at the byte where it stopped, and what waits behind it arrives", async () => {
    const uplinked = await lane.client.uplink({ f: content }, { pod_name: "v" }, later);
    const deleted = await deletions();
    await windowEnds("up", content.length / 2);
    link.restore();
    for (const answer of [uplinked, ...deleted]) expect(await endOf(answer)).toBe("succeeded");
    expect(readFileSync(join(volume, "f")).equals(content)).toBe(true);
    expect(crossed("up")).toBeLessThan(content.length + SAID);
  });

  test("up, and the agent dies meanwhile: of what is here nothing comes again", async () => {
    const uplinked = await lane.client.uplink({ f: content }, { pod_name: "v" }, later);
    const deleted = await deletions();
    await windowEnds("up", content.length * 0.8);
    await lane.agent.kill();
    link.restore();
    await lane.agent.start();
    for (const answer of [uplinked, ...deleted]) expect(await endOf(answer)).toBe("succeeded");
    expect(readFileSync(join(volume, "f")).equals(content)).toBe(true);
    expect(crossed("up")).toBeLessThan(content.length + CHUNK + SAID);
  });

  test("down, and the agent dies meanwhile: chunks that have arrived are not sent again", async () => {
    writeFileSync(join(volume, "f"), content);
    const downlink = lane.client.get("/em/files/downlink", { pod_name: "v", filepath: "f" });
    await windowEnds("down", content.length * 0.8);
    await lane.agent.kill();
    link.restore();
    await lane.agent.start();
    const { status, bytes } = await downlink;
    expect(status).toBe(200);
    expect(bytes.equals(content)).toBe(true);
    expect(crossed("down")).toBeLessThan(content.length + CHUNK + SAID);
  });
});

test("what has a higher priority comes down before what began earlier, however large it is", async () => {
  writeFileSync(join(volume, "early"), randomBytes(1_800_000));
  writeFileSync(join(volume, "urgent"), randomBytes(1_000_000));
  const early = await lane.client.get("/em/files/downlink", { pod_name: "v", filepath: "early" }, later);
  await expect.poll(() => crossed("down"), { timeout: 60_000, interval: 20 }).toBeGreaterThan(64 * KiB);
  const store = new SqliteStore(join(deployment.data, "ledger.sqlite"));
  try {
    // The EM's lane has one command at a time: this one is of another.
    const [other] = poseidon.lanes;
    const ledger = new Ledger(store, { lanes: [FIRST_LANE_OPTIONS, other!] });
    const input = { volume: "v", path: "urgent" };
    const { command } = await ledger.submit(
      { user: lane.user, edge: lane.edge, lane: other!.name, operation: "volume.read", input, priority: 9 },
      "queue",
    );
    // These ring for it: it came past the ground.
    const behind = await deletions();
    expect(await endOf(early)).toBe("succeeded");
    expect(await ledger.command(lane.user, command.id)).toMatchObject({ state: "succeeded" });
    for (const answer of behind) expect(await endOf(answer)).toBe("succeeded");
  } finally {
    await store.close();
  }
});

test("a plan of windows that are wrong keeps nothing from what contact allows", async () => {
  const hour = 3600_000;
  const now = Date.now();
  const at = (start: number, end: number) => ({ start: now + start, end: now + end, station: "S" });
  // too late, over, absent, overlapping, too early
  const plans = [[at(hour, 2 * hour)], [], [at(hour, 3 * hour), at(2 * hour, 4 * hour)], [at(-hour, 1)]];
  const store = new SqliteStore(join(deployment.data, "ledger.sqlite"));
  try {
    const windows = new StoredWindows({ store, now: () => now });
    for (const plan of plans) {
      await windows.change(lane.edge, () => plan);
      for (const answer of await deletions()) expect(await endOf(answer)).toBe("succeeded");
    }
  } finally {
    await store.close();
  }
});
