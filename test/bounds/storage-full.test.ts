import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { LIMITS, MiB } from "#protocol/limits.ts";
import { expectRefusal } from "#test/contract/support/expectations.ts";
import { SmallDisk } from "./support/small-disk.ts";
import { type BoundsStack, startBoundsStack } from "./support/stack.ts";

/** Above the ground's floor, so that the edge meets its own first. */
const EDGE_FLOOR = LIMITS.freeFloorBytes + 40 * MiB;
const DISK = EDGE_FLOOR + 60 * MiB;

/** One small disk holds everything: ledger, staging, journal and volumes. */
let disk: SmallDisk | undefined;
let stack: BoundsStack;
/** bytes free before the first test */
let room = 0;

beforeAll(async () => {
  disk = SmallDisk.make(DISK);
  if (!disk) return;
  stack = await startBoundsStack({ disk: disk.path, agent: { freeFloorBytes: EDGE_FLOOR } });
  room = disk.free;
});
afterAll(async () => {
  await stack?.stop();
  disk?.remove();
});
beforeEach(async (context) => {
  if (!disk) context.skip("nobody may mount a small disk here");
  // a file that was removed holds its bytes until the last who writes it has let go
  await expect.poll(() => disk!.free, { timeout: 90_000 }).toBeGreaterThan(room - 12 * MiB);
});
afterEach(() => disk?.empty());

const expectClean = async () => {
  const left = () => [...stack.staged(), ...stack.comingAndGoing()];
  const end = performance.now() + 90_000;
  while (left().length > 0 && performance.now() < end) await pause(50);
  expect(left()).toEqual([]);
};

/** Ledger and journal are written by this, and the volume is as it was. */
const expectWorking = async () => {
  expect((await stack.client.form("/em/files/delete", { filepath: "none", pod_name: "v" })).status).toBe(400);
  expect((await stack.client.get("/em/files/list", { pod_name: "v" })).json.data).toMatchObject([
    { name: "kept", size: "5" },
  ]);
  expect(readFileSync(join(stack.volume("v"), "kept"), "utf8")).toBe("first");
};

describe("a disk at its free-space floor", () => {
  test("of the edge: 507, all or nothing, and commands go on", async () => {
    expect((await stack.client.uplink({ kept: "first" }, { pod_name: "v" })).status).toBe(200);
    disk!.fillTo(EDGE_FLOOR + 8 * MiB);
    const files = { kept: "second", large: Buffer.alloc(30 * MiB) };
    const refused = await stack.client.uplink(files, { pod_name: "v" });
    expectRefusal(refused, 507, "STORAGE_FULL", /edge/);
    await expectClean();
    await expectWorking();
    const other = await stack.client.uplink({ large: Buffer.alloc(30 * MiB) }, { pod_name: "new" });
    expectRefusal(other, 507, "STORAGE_FULL");
    expect(existsSync(stack.volume("new"))).toBe(false);
    await expectClean();
  });

  test("of the ground: 507 while the body comes in, nothing stays, and commands go on", async () => {
    disk!.fillTo(LIMITS.freeFloorBytes + 8 * MiB);
    const files = { kept: "second", large: Buffer.alloc(30 * MiB) };
    const refused = await stack.client.uplink(files, { pod_name: "v" });
    expectRefusal(refused, 507, "STORAGE_FULL", "Ground storage is full");
    await expectClean();
    await expectWorking();
  });

  test("room that is made is used at once", async () => {
    expect((await stack.client.uplink({ large: Buffer.alloc(10 * MiB) }, { pod_name: "new" })).status).toBe(
      200,
    );
    expect((await stack.client.form("/em/pvc/delete", { pvc_name: "new" })).status).toBe(200);
    await expectWorking();
  });
});

describe("a disk of the edge that has room for bytes, but for no more files", () => {
  const FILES = 60;
  let small: SmallDisk | undefined;
  let own: BoundsStack;

  beforeAll(async () => {
    small = SmallDisk.make(64 * MiB, FILES);
    if (small) own = await startBoundsStack({ agent: { volumes: join(small.path, "volumes") } });
  });
  afterAll(async () => {
    await own?.stop();
    small?.remove();
  });

  const files = (count: number, name: (i: number) => string) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [name(i), "x"]));

  test("while files arrive: 507, and nothing stays", async () => {
    const refused = await own.client.uplink(
      files(FILES, (i) => `f${i}`),
      { pod_name: "v" },
    );
    expectRefusal(refused, 507, "STORAGE_FULL");
    expect(existsSync(own.volume("v"))).toBe(false);
    expect(own.comingAndGoing()).toEqual([]);
    expect((await own.client.uplink({ kept: "first" }, { pod_name: "v" })).status).toBe(200);
  });

  test("when they are put in place: all or nothing", async () => {
    const refused = await own.client.uplink(
      files(30, (i) => `d${i}/f`),
      { pod_name: "v" },
    );
    expectRefusal(refused, 507, "STORAGE_FULL");
    expect(readdirSync(own.volume("v"))).toEqual(["kept"]);
    expect(own.comingAndGoing()).toEqual([]);
  });
});
