import { createHash, randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CHUNKER } from "#protocol/chunking/chunker.ts";
import { MiB } from "#protocol/limits.ts";
import { Stage } from "../testing/cli-process.ts";
import { ACCEPTED, command, type Reply } from "../testing/ground.ts";

const UPLINK = "POST /em/files/uplink";
const DONE = { json: { message: "Successfully uplinked files", data: { file_count: 1, total_size_kb: 1 } } };

const DELTAS = { json: { status: "ok", uplinks: { parts_over: 64 * MiB, deltas: true } } };

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open();
  await stage.logIn();
  stage.ground.on("GET /healthz", DELTAS);
  await writeFile(join(stage.dir, "f"), randomBytes(100_000));
});
afterEach(() => stage.close());

test.each([
  [
    "a ground that knows no deltas",
    [["POST /uplinks/base", { status: 404, json: { error: "NOT_FOUND", message: "no" } }]],
  ],
  [
    "an agent that knows no deltas",
    [["POST /uplinks/base", { status: 501, json: { error: "UNSUPPORTED_OPERATION", message: "no" } }]],
  ],
  [
    "an edge without the file",
    [
      ["POST /uplinks/base", ACCEPTED],
      ["GET /commands/01C", command("failed", { error: { code: "FILE_NOT_FOUND", message: "none" } })],
    ],
  ],
  [
    "a file that has nothing of the edge's",
    [
      ["POST /uplinks/base", ACCEPTED],
      [
        "GET /commands/01C",
        command("succeeded", { result: { size: 0, chunker: CHUNKER }, content: "/commands/01C/content" }),
      ],
      ["GET /commands/01C/content", { body: Buffer.alloc(32) }],
      ["DELETE /commands/01C/content", { json: {} }],
    ],
  ],
] as const)("%s: all of it is sent", async (_what, steps) => {
  for (const [route, reply] of steps) stage.ground.on(route, reply);
  stage.ground.on(UPLINK, DONE);
  const { code, stderr } = await stage.run(["uplink", "f", "--delta", "--dest", "in", "--pod", "pod-a"]);
  expect([code, stderr]).toEqual([0, expect.anything()]);
  const [asked] = stage.ground.calls("POST /uplinks/base");
  expect(JSON.parse(String(asked!.body))).toEqual({ pod_name: "pod-a", filepath: "in/f" });
  expect(stage.ground.calls(UPLINK)).toHaveLength(1);
});

test("--delta takes one file", async () => {
  await writeFile(join(stage.dir, "g"), "x");
  expect((await stage.run(["uplink", "f", "g", "--delta"])).code).toBe(2);
});

describe("with the old file at hand", () => {
  const failed = (code: string) => command("failed", { error: { code, message: "no" } });
  let old: Buffer;
  beforeEach(async () => {
    old = randomBytes(100_000);
    await writeFile(join(stage.dir, "old"), old);
    await writeFile(join(stage.dir, "f"), Buffer.concat([old, Buffer.from("more")]));
    stage.ground
      .on("POST /uplinks", ({ body }) => {
        const [{ size }] = JSON.parse(String(body)).files;
        const part = { file: 0, part: 1, size, url: `${stage.ground.url}/store`, headers: {} };
        const data = { id: "01D", state: "staging", parts_expire_in: 3600, missing: 1, parts: [part] };
        return { status: 201, json: { message: "x", data } };
      })
      .on("PUT /store", {})
      .on("POST /uplinks/01D/complete", ACCEPTED)
      .on(UPLINK, DONE);
  });

  test("the edge is not asked: what differs is sent, for that file alone", async () => {
    stage.ground.on("GET /commands/01C", command("succeeded", { result: { count: 1, bytes: 100_004 } }));
    expect(await stage.run(["uplink", "f", "--base", "old"])).toMatchObject({ code: 0 });
    const { delta, files } = JSON.parse(String(stage.ground.calls("POST /uplinks")[0]!.body));
    expect(delta).toMatchObject({ size: 100_004, base: createHash("sha256").update(old).digest("hex") });
    expect(files[0].size).toBeLessThan(500);
    expect(stage.ground.calls("POST /uplinks/base")).toEqual([]);
    expect(stage.ground.calls(UPLINK)).toEqual([]);
  });

  test.each([
    ["an edge that has another", "DELTA_BASE_CHANGED", 1],
    ["an edge that takes no deltas", "UNSUPPORTED_OPERATION", 1],
    ["an edge that cannot use it", "DELTA_INVALID", 1],
    ["an old file that changed while the edge used it", "CHECKSUM_MISMATCH", 1],
  ])("%s: its chunks are asked for, and without them all is sent", async (_what, code, sent) => {
    stage.ground
      .on("GET /commands/01C", failed(code))
      .on("POST /uplinks/base", { status: 404, json: { error: "NOT_FOUND", message: "no" } });
    const { code: exit, stderr } = await stage.run(["uplink", "f", "--base", "old"]);
    expect([exit, stderr]).toEqual([0, expect.stringContaining("old is of no use")]);
    expect(stage.ground.calls("POST /uplinks")).toHaveLength(sent);
    expect(stage.ground.calls("POST /uplinks/base")).toHaveLength(1);
    expect(stage.ground.calls(UPLINK)).toHaveLength(1);
  });

  test.each([
    ["a ground that would take a delta for the file", "the ground takes no deltas"],
    ["two files that have nothing in common", "too much differs from old"],
  ])("%s: all is sent at once", async (_what, why) => {
    if (why.includes("ground"))
      stage.ground.on("GET /healthz", { json: { status: "ok", uplinks: { parts_over: 1 } } });
    else await writeFile(join(stage.dir, "f"), randomBytes(100_000));
    const { code, stderr } = await stage.run(["uplink", "f", "--base", "old"]);
    expect([code, stderr]).toEqual([0, expect.stringContaining(why)]);
    for (const route of ["POST /uplinks", "POST /uplinks/base"])
      expect(stage.ground.calls(route)).toEqual([]);
    expect(stage.ground.calls(UPLINK)).toHaveLength(1);
  });

  test("a file that goes in parts after all: the ground is asked once what it takes", async () => {
    await writeFile(join(stage.dir, "f"), randomBytes(2 * MiB));
    stage.ground
      .on("GET /healthz", { json: { status: "ok", uplinks: { parts_over: 1, deltas: true } } })
      .on("POST /uplinks/base", { status: 404, json: { error: "NOT_FOUND", message: "no" } })
      .on("GET /commands/01C", command("succeeded", { result: { count: 1, bytes: 100_004 } }));
    expect(await stage.run(["uplink", "f", "--delta"])).toMatchObject({ code: 0 });
    expect(stage.ground.calls("POST /uplinks")).toHaveLength(1);
    expect(stage.ground.calls("GET /healthz")).toHaveLength(1);
  });

  test("is one file, which stays as it is", async () => {
    const directory = await stage.run(["uplink", "f", "--base", "."]);
    expect([directory.code, directory.stderr]).toEqual([2, expect.stringContaining("--base takes a file")]);
    // has more than it says
    const grown = await stage.run(["uplink", "f", "--base", "/proc/version"]);
    expect([grown.code, grown.stderr]).toEqual([
      expect.any(Number),
      expect.stringContaining("/proc/version changed while"),
    ]);
    expect(stage.ground.calls(UPLINK)).toEqual([]);
  });

  test("is for one file that is not to be sent whole", async () => {
    expect((await stage.run(["uplink", "f", "old", "--base", "old"])).code).toBe(2);
    expect((await stage.run(["uplink", "f", "--no-delta", "--base", "old"])).code).toBe(2);
    expect((await stage.run(["uplink", "f", "--base", "none"])).code).not.toBe(0);
  });
});

describe("without being asked for", () => {
  const edge = (state: string, operations: string[]) => ({
    json: { data: { contact: { state }, agent: { operations } } },
  });
  const able = edge("ok", ["volume.chunks", "volume.patch"]);
  const failed = command("failed", { error: { code: "FILE_NOT_FOUND", message: "none" } });
  const run = async (bytes: number, ...args: string[]) => {
    await writeFile(join(stage.dir, "f"), randomBytes(bytes));
    stage.ground.on(UPLINK, DONE).on("POST /uplinks/base", ACCEPTED).on("GET /commands/01C", failed);
    expect(await stage.run(["uplink", "f", ...args])).toMatchObject({ code: 0 });
    expect(stage.ground.calls(UPLINK)).toHaveLength(1);
    return stage.ground.calls("POST /uplinks/base").length;
  };

  test.each<[what: string, asks: number, edge: Reply, bytes: number, args: string[]]>([
    ["a large file of an edge in contact", 1, able, 2 * MiB, []],
    ["a small one", 0, able, 1 * MiB, []],
    ["an edge that is out of contact", 0, edge("lost", ["volume.chunks", "volume.patch"]), 2 * MiB, []],
    ["an older agent", 0, edge("ok", ["volume.uplink"]), 2 * MiB, []],
    ["--no-delta", 0, able, 2 * MiB, ["--no-delta"]],
    ["--no-wait", 0, able, 2 * MiB, ["--no-wait"]],
  ])("%s", async (_what, asks, answer, bytes, args) => {
    stage.ground.on("GET /edge", answer);
    expect(await run(bytes, ...args)).toBe(asks);
  });

  test("an edge that does not tell is not waited for longer than for any command, and all is sent", async () => {
    stage.ground.on("GET /edge", able).on("POST /commands/01C/cancel", { json: {} });
    stage.ground.on(UPLINK, DONE).on("POST /uplinks/base", ACCEPTED);
    stage.ground.on("GET /commands/01C", command("queued"));
    await writeFile(join(stage.dir, "f"), randomBytes(2 * MiB));
    expect(await stage.run(["uplink", "f", "--wait", "1s"])).toMatchObject({ code: 0 });
    expect(stage.ground.calls("POST /commands/01C/cancel")).toHaveLength(1);
    expect(stage.ground.calls(UPLINK)).toHaveLength(1);
  });
});
