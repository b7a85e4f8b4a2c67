import { createHash, randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import { filesOf } from "#test/support/fpga/files-of-tar.ts";
import { detail, listed, pair, register, removeImages, settled } from "./support/images.ts";
import { BUCKET, bearer, put, removeObjects } from "./support/objects.ts";
import { other, type User, user } from "./support/session.ts";

const UUID = "0b5ee0d5-7e2f-4f6c-9a37-6f1b0f0c2a11";
const MiB = 1 << 20;

let me: User;
let they: User;
beforeAll(async () => {
  [me, they] = await Promise.all([user(), other()]);
});
afterAll(async () => {
  for (const one of [me, they]) {
    await removeImages(one);
    await removeObjects(one);
  }
});

const code = (text: string) => (JSON.parse(text) as { error: { code: string } }).error.code;
const log = (who: User, id: string) => who.ask("GET", `/fpga/images/${id}/log`, { headers: bearer(who) });

describe("the life of an image", () => {
  it("goes over active and its associations until it is gone from the edge", async () => {
    const file = buildRawStream({ size: MiB + 4 });
    await put(me, "life.bin", file);
    const id = await register(me, { name: "counter", location: `${BUCKET}:life.bin`, description: "a b" });
    // what is registered are the bytes of that moment
    await put(me, "life.bin", Buffer.from("other"));
    const sha256 = createHash("sha256").update(file).digest("hex");
    expect(await settled(me, id)).toMatchObject({
      ...{ id, name: "counter", description: "a b", status: "active", size: 2, protected: false },
      ...{ sha256, format: "xilinx-bin-be", log_directory: `${BUCKET}:fpga-log` },
    });

    const at = `${me.base}/${id}/association`;
    const done = await me.ask("POST", at, pair(UUID));
    expect([done.status, done.text, done.headers["content-type"]]).toEqual([204, "", undefined]);
    const groups = await me.ask("GET", `${me.base}/associations?image_id=${UUID}`);
    expect(JSON.parse(groups.text)).toMatchObject({
      associations: [{ image_id: UUID, fpgaimages: [{ id, protected: true }] }],
    });
    const held = await me.ask("DELETE", `${me.base}/${id}`);
    expect([held.status, code(held.text)]).toEqual([400, "Ecs.0005"]);
    expect((await me.ask("DELETE", at, pair(UUID))).status).toBe(204);
    expect(code((await me.ask("DELETE", at, pair(UUID))).text)).toBe("Ecs.0031");

    expect((await me.ask("DELETE", `${me.base}/${id}`)).status).toBe(204);
    // listed until the edge has confirmed it, which it may have done already
    expect(["deleting", undefined]).toContain((await detail(me, id))?.status);
    await expect.poll(() => detail(me, id)).toBeUndefined();
    const again = await me.ask("DELETE", `${me.base}/${id}`);
    expect([again.status, code(again.text)]).toEqual([404, "Ecs.0031"]);
    expect((await log(me, id)).status).toBe(404);
  });

  it("ends in error, with the reason, of an object that is missing or of no use", async () => {
    await put(me, "elf.bin", Buffer.concat([Buffer.from("\x7fELF"), Buffer.alloc(100, 1)]));
    const missing = await register(me, { location: `${BUCKET}:none.bin` });
    const foreign = await register(me, { location: `${BUCKET}:elf.bin` });
    expect(await settled(me, missing)).toMatchObject({
      ...{ status: "error", size: 0, sha256: null },
      message: `OBJECT_MISSING: logic file [${BUCKET}:none.bin] does not exist`,
    });
    expect(await settled(me, foreign)).toMatchObject({
      ...{ status: "error", size: 1 },
      message: expect.stringMatching(/^FORMAT_FOREIGN: .*ELF/),
    });
    const answer = await me.ask("POST", `${me.base}/${foreign}/association`, pair(UUID));
    expect([answer.status, code(answer.text)]).toEqual([400, "Ecs.0032"]);
    // the edge never had them: they go at once
    for (const id of [missing, foreign]) {
      expect((await me.ask("DELETE", `${me.base}/${id}`)).status).toBe(204);
      expect(await detail(me, id)).toBeUndefined();
    }
  });

  it("is one for one Idempotency-Key", async () => {
    const key = randomUUID();
    const send = (name: string) =>
      me.ask("POST", me.base, {
        headers: { "idempotency-key": key },
        body: JSON.stringify({ fpga_image: { location: `${BUCKET}:none.bin`, name, metadata: {} } }),
      });
    const before = (await listed(me)).count;
    const [one, two] = [await send("a"), await send("a")];
    expect([two.status, two.text]).toEqual([200, one.text]);
    expect((await send("b")).status).toBe(400);
    expect((await listed(me)).count).toBe(before + 1);
  });
});

it("the log has what was checked, what the edge did, and the loads; it is its user's alone", async () => {
  const file = buildRawStream();
  await put(me, "log.bin", file);
  const id = await register(me, { location: `${BUCKET}:log.bin` });
  const image = await settled(me, id);
  const { status, headers, bytes } = await log(me, id);
  expect([status, headers["content-type"], headers["content-length"]]).toEqual([
    ...[200, "application/x-tar", String(bytes.length)],
  ]);
  const files = filesOf(bytes);
  expect([...files.keys()]).toEqual(["report.json", "agent.log", "loads.json"]);
  const report = JSON.parse(files.get("report.json")!) as { checks: { check: unknown }[] };
  expect(report).toMatchObject({
    ...{ id, status: "active", location: `${BUCKET}:log.bin`, format: "xilinx-bin-be" },
    sha256: image.sha256,
  });
  expect(report.checks.length).toBeGreaterThan(8);
  expect(files.get("agent.log")).not.toBe("");
  expect(JSON.parse(files.get("loads.json")!)).toEqual([]);
  expect((await log(they, id)).status).toBe(404);
});
