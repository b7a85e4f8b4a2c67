import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LIMITS, MiB } from "#protocol/limits.ts";
import { declaredFile } from "#test/support/declared-file.ts";
import { Stage } from "../testing/cli-process.ts";
import { ACCEPTED, command, type Reply, type Seen } from "../testing/ground.ts";

const UPLINK = "POST /em/files/uplink";
const OPEN = "POST /uplinks";
const COMPLETE = "POST /uplinks/01C/complete";
const DONE = { json: { message: "Successfully uplinked files", data: { file_count: 1, total_size_kb: 1 } } };
const TOO_LARGE = {
  status: 413,
  json: { error: "BODY_TOO_LARGE", message: "The body is over 6 MB: see /uplinks" },
};

let stage: Stage;
const content = randomBytes(LIMITS.partBytes + 5);

beforeEach(async () => {
  stage = await Stage.open();
  await stage.logIn();
  await writeFile(join(stage.dir, "f"), content);
});
afterEach(() => stage.close());

const healthy = (over: number): Reply => ({ json: { status: "ok", uplinks: { parts_over: over } } });
const part = (number: number, size: number) => ({
  file: 0,
  part: number,
  size,
  url: `${stage.ground.url}/store/${number}?signed=1`,
  headers: { "x-amz-checksum-crc32": `sum ${number}` },
});
const SIZES = [LIMITS.partBytes, 5];
const parts = () => SIZES.map((size, i) => part(i + 1, size));
const upload = (more: object): Reply => ({
  status: 201,
  json: { message: "x", data: { id: "01C", state: "staging", parts_expire_in: 3600, ...more } },
});
const stored = () =>
  stage.ground.seen.filter(({ method, path }) => method === "PUT" && path.startsWith("/store/"));
const byPart = (seen: Seen[]) => [...seen].sort((a, b) => (a.path < b.path ? -1 : 1));

test("a ground that asks for parts gets them: URLs and headers as it gave them, without the token", async () => {
  stage.ground
    .on("GET /healthz", healthy(1 * MiB))
    .on(OPEN, () => upload({ missing: 2, parts: parts() }))
    .on("PUT /store/1", {})
    .on("PUT /store/2", {})
    .on(COMPLETE, DONE);
  const { code, stdout } = await stage.run(["uplink", "f", "--dest", "in", "--pod", "pod-a", "--json"]);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual(DONE.json);
  const [open] = stage.ground.calls(OPEN);
  expect(JSON.parse(String(open!.body))).toEqual({
    dest_path: "in",
    pod_name: "pod-a",
    part_size: LIMITS.partBytes,
    files: [declaredFile("f", content, LIMITS.partBytes)],
  });
  const [first, second] = byPart(stored());
  expect(Buffer.concat([first!.body, second!.body]).equals(content)).toBe(true);
  expect(first).toMatchObject({
    path: "/store/1?signed=1",
    headers: { "x-amz-checksum-crc32": "sum 1", "content-length": String(LIMITS.partBytes) },
  });
  expect(first!.headers.authorization).toBeUndefined();
  expect(stage.ground.calls(UPLINK)).toEqual([]);
});

test("below its bound, or where it names none, one body is sent", async () => {
  stage.ground.on("GET /healthz", healthy(64 * MiB), { json: { status: "ok" } }, { status: 404, json: {} });
  stage.ground.on(UPLINK, DONE);
  for (let i = 0; i < 3; i++) expect((await stage.run(["uplink", "f"])).code).toBe(0);
  expect(stage.ground.calls(UPLINK)).toHaveLength(3);
});

test("a 413 from the ground, or from whoever is before it, is answered with parts", async () => {
  stage.ground
    .on("GET /healthz", healthy(64 * MiB))
    .on(UPLINK, TOO_LARGE)
    .on(OPEN, () => upload({ missing: 2, parts: parts() }))
    .on("PUT /store/1", {})
    .on("PUT /store/2", {})
    .on(COMPLETE, ACCEPTED)
    .on("GET /commands/01C", command("succeeded", { result: { count: 1, bytes: 1536 } }));
  const { code, stdout } = await stage.run(["uplink", "f", "--json"]);
  expect(code).toBe(0);
  expect(JSON.parse(stdout).data).toEqual({ file_count: 1, total_size_kb: 1.5 });
  expect(stage.ground.calls(COMPLETE)[0]!.headers.prefer).toBe("respond-async");
});

test("a ground that takes neither says why in its own words", async () => {
  stage.ground.on(UPLINK, TOO_LARGE);
  const { code, stderr } = await stage.run(["uplink", "f"]);
  expect(code).toBe(1);
  expect(stderr).toContain("The body is over 6 MB: see /uplinks (BODY_TOO_LARGE)");
});

const resign = (seen: Seen): Reply => {
  const { parts: asked } = JSON.parse(String(seen.body)) as { parts: { part: number }[] };
  return upload({ parts: asked.map((one) => part(one.part, SIZES[one.part - 1]!)) });
};

test("an URL that has expired is renewed, for its part alone", async () => {
  stage.ground
    .on("GET /healthz", healthy(1))
    .on(OPEN, () => upload({ missing: 2, parts: parts() }))
    .on("PUT /store/1", { status: 403, body: "<Error><Code>AccessDenied</Code></Error>" }, {})
    .on("PUT /store/2", {})
    .on("POST /uplinks/01C/parts", resign)
    .on(COMPLETE, DONE);
  const { code, stderr } = await stage.run(["uplink", "f"]);
  expect(stderr).toContain("a part was refused with 403 AccessDenied; sending that part again");
  expect(code).toBe(0);
  const asked = stage.ground.calls("POST /uplinks/01C/parts").map(({ body }) => JSON.parse(String(body)));
  expect(asked).toEqual([{ parts: [{ file: 0, part: 1 }] }]);
  expect(byPart(stored()).map(({ path }) => path[7])).toEqual(["1", "1", "2"]);
});

test("an outage where parts go, and one of the ground, are waited out", async () => {
  stage.ground
    .on("GET /healthz", healthy(1))
    .on(OPEN, () => upload({ missing: 2, parts: parts() }))
    .on("PUT /store/1", {})
    .on("PUT /store/2", { status: 503 }, { status: 500 }, {})
    .on("POST /uplinks/01C/parts", { status: 502 }, resign)
    .on(COMPLETE, DONE);
  const { code, stderr } = await stage.run(["uplink", "f"]);
  expect(stderr).toContain("a part was refused with 503; sending that part again");
  expect(code).toBe(0);
  expect(byPart(stored()).map(({ path }) => path[7])).toEqual(["1", "2", "2", "2"]);
});

test("parts that the ground misses at the end are sent again, a bounded number of times", async () => {
  const incomplete = {
    status: 409,
    json: {
      error: "UPLINK_INCOMPLETE",
      message: "1 parts have not arrived",
      missing: [{ file: 0, part: 2 }],
    },
  };
  stage.ground
    .on("GET /healthz", healthy(1))
    .on(OPEN, () => upload({ missing: 2, parts: parts() }))
    .on("PUT /store/1", {})
    .on("PUT /store/2", {})
    .on("GET /uplinks/01C", upload({ missing: 1, missing_files: [{ file: 0, parts: [2] }] }))
    .on("POST /uplinks/01C/parts", () => upload({ parts: [part(2, 5)] }))
    .on(COMPLETE, incomplete);
  const { code, stderr } = await stage.run(["uplink", "f"]);
  expect(stderr).toContain("UPLINK_INCOMPLETE");
  expect(stderr).toContain("run the same command again to go on");
  expect(code).toBe(1);
  expect(byPart(stored()).map(({ path }) => path[7])).toEqual(["1", "2", "2", "2"]);
  expect(stage.ground.calls(COMPLETE)).toHaveLength(3);
});

test("a full disk ends it at once, to be gone on with", async () => {
  stage.ground
    .on("GET /healthz", healthy(1))
    .on(OPEN, () => upload({ missing: 2, parts: parts() }))
    .on("PUT /store/1", { status: 507, json: { error: "STORAGE_FULL", message: "full" } })
    .on("PUT /store/2", {});
  const { code, stderr } = await stage.run(["uplink", "f"]);
  expect(stderr).toContain("STORAGE_FULL");
  expect(stderr).toContain("run the same command again to go on");
  expect(code).toBe(7);
});
