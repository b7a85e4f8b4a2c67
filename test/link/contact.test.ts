import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { SqliteStore } from "#lambdas/adapters/sqlite/store.ts";
import { poseidon } from "#lambdas/dialects/poseidon/dialect.ts";
import { FIRST_LANE_OPTIONS } from "#lambdas/ledger/lane-options.ts";
import { Ledger } from "#lambdas/ledger/ledger.ts";
import { StoredWindows } from "#lambdas/windows/stored-windows.ts";
import { KiB } from "#protocol/limits.ts";
import type { OperationName } from "#protocol/operations.ts";
import { type Deployment, deploy, type Lane } from "#test/faults/support/deployment.ts";
import { type Link, openLink } from "../../scripts/link/link.ts";
import { quicker, readProfiles } from "../../scripts/link/profile.ts";

/** 256 kbit/s, 1 s one way and 2 % loss, in a tenth of the time. */
const PROFILE = quicker(readProfiles().pass!, 10);
/** So much of content may cross twice. */
const CHUNK = 64 * KiB;
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

let name: string;
let volume: string;
let content: Buffer;
let before: ReturnType<Link["stats"]>;
let count = 0;
beforeEach(() => {
  name = `v${++count}`;
  volume = lane.volume(name);
  mkdirSync(volume, { recursive: true });
  content = randomBytes(1_200_000);
  before = link.stats();
});

/** Of a test that failed nothing is left to the next one. */
afterEach(async () => {
  link.restore();
  const left = async () => {
    const { data } = (await lane.client.get("/commands")).json as { data: { id: string; state: string }[] };
    return data.filter(({ state }) => ["queued", "running"].includes(state));
  };
  for (const { id } of await left()) await lane.client.request("POST", `/commands/${id}/cancel`);
  await expect.poll(async () => (await left()).length, PATIENT).toBe(0);
});

const crossed = (way: "up" | "down") => link.stats()[way].payload - before[way].payload;
const dying = (way: "up" | "down") => link.stats()[way].silent - before[way].silent;
const PATIENT = { timeout: 120_000, interval: 20 };
const later = { headers: { prefer: "respond-async" } };

/** Contact ends in the middle of a packet once so much has crossed, and is gone until both ends have spoken into it. */
async function windowEnds(way: "up" | "down", bytes: number): Promise<void> {
  await expect.poll(() => crossed(way), PATIENT).toBeGreaterThan(bytes);
  link.cut();
  await expect.poll(() => Math.min(dying("up"), dying("down")), PATIENT).toBeGreaterThan(1);
}

async function endOf(answer: { status: number; header(name: string): string | undefined; text: string }) {
  expect(answer.status, answer.text).toBe(202);
  for (;;) {
    const { data } = (await lane.client.get(answer.header("location")!, { wait: 20 })).json;
    if (!["queued", "running"].includes(data.state)) return data.state;
  }
}

/** Queues a command beside the EM's lane, which has one at a time. @returns its id */
async function queued(of: { operation: OperationName; input: unknown; priority?: number }): Promise<string> {
  const store = new SqliteStore(join(deployment.data, "ledger.sqlite"));
  try {
    const [other] = poseidon.lanes;
    const ledger = new Ledger(store, { lanes: [FIRST_LANE_OPTIONS, other!] });
    const { user, edge } = lane;
    return (await ledger.submit({ user, edge, lane: other!.name, ...of }, "queue")).command.id;
  } finally {
    await store.close();
  }
}

/** Commands that would fail if they were done twice. */
async function deletions() {
  const files = ["a", "b", "c"];
  for (const file of files) writeFileSync(join(volume, file), file);
  return Promise.all(
    files.map((filepath) => lane.client.encoded("/em/files/delete", { pod_name: name, filepath }, later)),
  );
}

describe("a window that ends in the middle of a transfer", () => {
  test("both ways: each goes on at its byte, and what was accepted in silence ends once, as it was meant", async () => {
    const size = content.length / 2;
    const [up, down] = [content.subarray(0, size), content.subarray(size)];
    writeFileSync(join(volume, "down"), down);
    writeFileSync(join(volume, "expired"), "");
    link.cut();
    const uplinked = await lane.client.uplink({ f: up }, { pod_name: name }, later);
    const read = await queued({ operation: "volume.read", input: { volume: name, path: "down" } });
    const of = { pod_name: name, filepath: "expired" };
    const soon = { headers: { ...later.headers, "perigee-expires": "1s" } };
    const expired = await lane.client.encoded("/em/files/delete", of, soon);
    const deleted = await deletions();
    await expect.poll(() => dying("down"), PATIENT).toBeGreaterThan(1);
    link.restore();
    await expect.poll(() => crossed("up"), PATIENT).toBeGreaterThan(size / 3);
    await windowEnds("down", size / 3);
    link.restore();
    for (const answer of [uplinked, ...deleted]) expect(await endOf(answer)).toBe("succeeded");
    expect(await endOf(expired)).toBe("expired");
    expect(existsSync(join(volume, "expired"))).toBe(true);
    expect(readFileSync(join(volume, "f")).equals(up)).toBe(true);
    await expect
      .poll(async () => (await lane.client.get(`/commands/${read}`)).json.data.state, PATIENT)
      .toBe("succeeded");
    expect((await lane.client.get(`/commands/${read}/content`)).bytes.equals(down)).toBe(true);
    for (const way of ["up", "down"] as const) expect(crossed(way)).toBeLessThan(size + CHUNK + SAID);
  });

  test("up, and the agent dies meanwhile: of what is here nothing comes again", async () => {
    const uplinked = await lane.client.uplink({ f: content }, { pod_name: name }, later);
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
    const downlink = lane.client.get("/em/files/downlink", { pod_name: name, filepath: "f" });
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

test("a pod that was accepted in one window starts and ends in silence, and the next window tells", async () => {
  // made by the agent, for the pod to write to
  const silent = `${name}-silent`;
  const own = lane.volume(silent);
  const script = "trap 'touch asked; exit 7' TERM; touch began; while :; do sleep 0.1; done";
  const run = await queued({
    operation: "pod.run",
    input: {
      pod: silent,
      mounts: [{ volume: silent, at: "/data" }],
      image: "busybox",
      kind: "MPU",
      onSameName: "replace",
      maxMs: 2000,
      network: "none",
      defaultWorkdir: "/data",
      scheduledAt: Date.now() + 12_000,
      command: ["/bin/sh", "-c", script],
      ports: [],
      envs: {},
    },
  });
  const command = async () => (await lane.client.get(`/commands/${run}`)).json.data.state;
  await expect.poll(command, PATIENT).toBe("succeeded");
  link.cut();
  expect(existsSync(join(own, "began"))).toBe(false);
  for (const file of ["began", "asked"]) {
    await expect.poll(() => existsSync(join(own, file)), PATIENT).toBe(true);
  }
  link.restore();
  const end = { terminated: { reason: "DeadlineExceeded", exitCode: 7 } };
  const state = async () => (await lane.client.get("/em/pod/status", { pod_name: silent })).json.data?.state;
  await expect.poll(state, PATIENT).toMatchObject(end);
});

test("what has a higher priority comes down before what began earlier, however large it is", async () => {
  writeFileSync(join(volume, "early"), randomBytes(1_800_000));
  writeFileSync(join(volume, "urgent"), randomBytes(1_000_000));
  const early = await lane.client.get("/em/files/downlink", { pod_name: name, filepath: "early" }, later);
  await expect.poll(() => crossed("down"), { timeout: 60_000, interval: 20 }).toBeGreaterThan(64 * KiB);
  const urgent = await queued({
    operation: "volume.read",
    input: { volume: name, path: "urgent" },
    priority: 9,
  });
  // These ring for it: it came past the ground.
  const behind = await deletions();
  expect(await endOf(early)).toBe("succeeded");
  expect((await lane.client.get(`/commands/${urgent}`)).json.data.state).toBe("succeeded");
  for (const answer of behind) expect(await endOf(answer)).toBe("succeeded");
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
