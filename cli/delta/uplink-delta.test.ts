import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CHUNKER } from "#protocol/chunking/chunker.ts";
import { Stage } from "../testing/cli-process.ts";
import { ACCEPTED, command } from "../testing/ground.ts";

const UPLINK = "POST /em/files/uplink";
const DONE = { json: { message: "Successfully uplinked files", data: { file_count: 1, total_size_kb: 1 } } };

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open();
  await stage.logIn();
  await writeFile(join(stage.dir, "f"), randomBytes(100_000));
});
afterEach(() => stage.close());

test.each([
  [
    "a ground that knows no deltas",
    [["POST /uplinks/base", { status: 404, json: { error: "NOT_FOUND", message: "no" } }]],
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
      ["GET /commands/01C/content", { body: "" }],
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
