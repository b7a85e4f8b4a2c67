import { createReadStream, existsSync, readdirSync, statfsSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Xxh64 } from "@node-rs/xxhash";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { GiB, LIMITS, MiB } from "#protocol/limits.ts";
import { expectOk, expectRefusal } from "#test/contract/support/expectations.ts";
import { rawUpload } from "#test/contract/support/raw-upload.ts";
import { watchMemory } from "../../bench/resident-memory.ts";
import { bigUpload, chunkOf, PATTERN } from "./support/big-upload.ts";
import { type BoundsStack, startBoundsStack } from "./support/stack.ts";

/** An uplink of the largest size lies in staging and beside its volume for a moment, over the floor. */
const ROOM = 2 * LIMITS.uplinkBytes + LIMITS.freeFloorBytes + 0.5 * GiB;
const LONG = 540_000;
const SWEPT_MS = 90_000;

let stack: BoundsStack;

beforeAll(async () => {
  stack = await startBoundsStack();
});
afterAll(() => stack?.stop());

/** Nothing is on its way any more: an answer does not wait for the sweeping up, so it may come a moment later. */
const expectSwept = async () => {
  const left = () => [...stack.staged(), ...stack.comingAndGoing()].slice(0, 5);
  const end = performance.now() + SWEPT_MS;
  while (left().length > 0 && performance.now() < end) await pause(50);
  expect(left()).toEqual([]);
};

const expectNothingLeft = async (volume: string) => {
  await expectSwept();
  expect(existsSync(stack.volume(volume))).toBe(false);
  const { data } = (await stack.client.get("/commands", { limit: 1 })).json;
  expect(data).toMatchObject([{ operation: "volume.uplink", state: "failed" }]);
};

describe("2 GiB in one call", () => {
  beforeEach((context) => {
    const { bavail, bsize } = statfsSync(tmpdir());
    if (bavail * bsize < ROOM) context.skip(`${tmpdir()} has less than ${ROOM / MiB} MiB free`);
  });

  test("pass, whole, while ground and agent each grow by less than 64 MiB", { timeout: LONG }, async () => {
    const warm = await bigUpload(stack.client, [
      { field: "pod_name", value: "warm" },
      { file: "warm", size: 64 * MiB },
    ]);
    expect(warm?.status).toBe(200);
    const ground = watchMemory(stack.ground);
    const agent = watchMemory(stack.agent);
    const answer = await bigUpload(stack.client, [
      { field: "pod_name", value: "large" },
      { file: "large.bin", size: LIMITS.uplinkBytes },
    ]);
    const growth = { ground: ground(), agent: agent() };
    expectOk(answer!, {
      message: "Successfully uplinked files",
      data: { file_count: 1, total_size_kb: LIMITS.uplinkBytes / 1024 },
    });
    const path = join(stack.volume("large"), "large.bin");
    expect(statSync(path).size).toBe(LIMITS.uplinkBytes);
    expect(await hashOf(path)).toBe(expectedHash(LIMITS.uplinkBytes));
    await expectSwept();
    expect((await stack.client.form("/em/pvc/delete", { pvc_name: "large" })).status).toBe(200);
    expect(growth.ground).toBeLessThan(64 * MiB);
    expect(growth.agent).toBeLessThan(64 * MiB);
  });

  test("and one byte more, in files that tell no length, are refused by counting", {
    timeout: LONG,
  }, async () => {
    const answer = await bigUpload(stack.client, [
      { field: "pod_name", value: "over" },
      { file: "one", size: LIMITS.uplinkBytes },
      { file: "two", size: 1 },
    ]);
    expectRefusal(answer!, 400, "MAX_UPLINK_SIZE_EXCEEDED", "Total upload size exceeds 2 GB");
    await expectNothingLeft("over");
  });
});

test("a Content-Length over 2 GiB + 16 MiB is refused unread", async () => {
  const headers = (length: number) => ({
    "content-type": "multipart/form-data; boundary=x",
    "content-length": String(length),
    expect: "100-continue",
  });
  const over = rawUpload(stack.client, "/em/files/uplink", headers(LIMITS.uplinkBodyBytes + 1));
  let asked = false;
  over.asked.then(() => {
    asked = true;
  });
  expectRefusal(await over.answer, 400, "MAX_UPLINK_SIZE_EXCEEDED", "Total upload size exceeds 2 GB");
  expect(asked).toBe(false);
  over.request.destroy();

  const within = rawUpload(stack.client, "/em/files/uplink", headers(LIMITS.uplinkBodyBytes));
  await within.asked;
  within.request.destroy();
});

test("a client that stops half way leaves nothing", async () => {
  const parts = [
    { field: "pod_name", value: "half" },
    { file: "whole", size: 3 * MiB },
    { file: "cut", size: 64 * MiB },
  ];
  await bigUpload(stack.client, parts, 20 * MiB);
  await expectNothingLeft("half");
});

describe("10,000 files in one call", () => {
  const form = (count: number, pod: string) => {
    const body = new FormData();
    body.append("pod_name", pod);
    for (let i = 0; i < count; i++) body.append("files", new Blob([`${i}`]), `d${i % 100}/f${i}`);
    return { body };
  };

  test("arrive", { timeout: LONG }, async () => {
    const answer = await stack.client.request("POST", "/em/files/uplink", form(LIMITS.uplinkFiles, "many"));
    expect(answer.text).toContain("Successfully uplinked files");
    expect(answer.json.data.file_count).toBe(LIMITS.uplinkFiles);
    const names = readdirSync(stack.volume("many"), { recursive: true, encoding: "utf8" });
    expect(names.filter((name) => name.includes("/f"))).toHaveLength(LIMITS.uplinkFiles);
    await expectSwept();
  });

  test("and one more are refused, and nothing of them stays", { timeout: LONG }, async () => {
    const answer = await stack.client.request(
      "POST",
      "/em/files/uplink",
      form(LIMITS.uplinkFiles + 1, "more"),
    );
    expectRefusal(answer, 400, "TOO_MANY_FILES");
    await expectNothingLeft("more");
  });
});

async function hashOf(path: string): Promise<string> {
  const hash = new Xxh64();
  for await (const chunk of createReadStream(path, { highWaterMark: 4 * MiB })) hash.update(chunk);
  return hash.digest().toString(16);
}

function expectedHash(size: number): string {
  const hash = new Xxh64();
  for (let n = 0; n * MiB < size; n++) hash.update(chunkOf(n, PATTERN).subarray(0, size - n * MiB));
  return hash.digest().toString(16);
}
