import { readdir, truncate } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { CHECK_BOUNDS } from "#lambdas/dialects/fpga/checks/bounds.ts";
import { IMAGE_BOUNDS } from "#lambdas/dialects/fpga/images/image-record.ts";
import { FPGA_LANE } from "#lambdas/dialects/fpga/lane.ts";
import { OBJECT_BOUNDS } from "#lambdas/dialects/fpga/objects/bucket-record.ts";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import { type FpgaGround, startFpgaGround } from "./support/fpga-ground.ts";

let ground: FpgaGround;
afterEach(() => ground.stop());

const body = JSON.stringify({ fpga_image: { location: "obs-fpga:fpga.bin", name: "n", metadata: {} } });
const register = async () => {
  const { status, headers, text } = await ground.ada("POST", ground.base(), { body });
  return { status, headers, ...(JSON.parse(text) as { error?: { code: string; message: string } }) };
};
const remove = async (id: string) => (await ground.ada("DELETE", `${ground.base()}/${id}`)).status;

describe("a project", () => {
  it("has a hundred images, and what more is asked of its edge than that is refused until it is done", async () => {
    ground = await startFpgaGround();
    const agent = await ground.startAgent();
    const ids: string[] = [];
    // of an object that is not there: nothing is read
    for (let n = 0; n < IMAGE_BOUNDS.live; n++) ids.push(await ground.register());
    const over = await register();
    expect([over.status, over.error]).toEqual([
      400,
      { code: "Ecs.0001", message: expect.stringContaining("100 FPGA images, of at most 100") },
    ]);
    await ground.checked();
    for (const id of ids) expect(await remove(id)).toBe(204);

    await ground.put("obs-fpga", "fpga.bin", buildRawStream());
    const held: string[] = [];
    for (let n = 0; n < FPGA_LANE.bounds.queuePerUser; n++) held.push(await ground.active(agent));
    for (const id of held) expect(await remove(id)).toBe(204);
    const busy = await register();
    expect([busy.status, busy.error?.code]).toEqual([429, "Common.1503"]);
    expect(Number(busy.headers["retry-after"])).toBeGreaterThan(0);
    const [deletion] = await agent.claim();
    await agent.report(deletion!, { state: "succeeded", result: {} });
    expect((await register()).status).toBe(200);
  });
});

describe("an object", () => {
  it("that is too large is refused unread, with its size", async () => {
    ground = await startFpgaGround();
    await ground.put("obs-fpga", "fpga.bin", Buffer.of(1));
    const objects = join(ground.data, "objects");
    const entries = await readdir(objects, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    expect(files).toHaveLength(1);
    await truncate(join(files[0]!.parentPath, files[0]!.name), CHECK_BOUNDS.maxFile + 1);
    const id = await ground.register();
    await ground.checked();
    expect(await ground.detail(id)).toMatchObject({
      ...{ status: "error", size: 513 },
      message: expect.stringMatching(/^OBJECT_TOO_LARGE: .*536870913/),
    });
    expect(await ground.ground.staging.list("fpga/")).toEqual([]);
  });

  it("is one of a thousand of its bucket", async () => {
    ground = await startFpgaGround();
    for (let n = 0; n < OBJECT_BOUNDS.objects; n++) await ground.put("obs-fpga", `${n}.bin`, Buffer.of(1));
    const open = async (bucket: string, key: string) => {
      const headers = { authorization: `Bearer ${ground.token("ada")}`, "content-type": "application/json" };
      const parts = [{ size: 1, crc32: "00000000" }];
      const asked = JSON.stringify({ bucket, key, size: 1, parts });
      const { status, text } = await ground.send("POST", "/fpga/objects", { headers, body: asked });
      return [status, (JSON.parse(text) as { error?: string }).error];
    };
    expect(await open("obs-fpga", "one-more.bin")).toEqual([507, "QUOTA_EXCEEDED"]);
    expect(await open("obs-fpga", "0.bin")).toEqual([201, undefined]);
    expect(await open("other", "one-more.bin")).toEqual([201, undefined]);
  });
});

it("registrations that together take more than the quota are refused with what is left of it", async () => {
  const content = buildRawStream();
  ground = await startFpgaGround({ quota: 3 * content.length });
  await ground.put("obs-fpga", "fpga.bin", content);
  expect([(await register()).status, (await register()).status]).toEqual([200, 200]);
  const { status, error } = await register();
  const message = `The object has ${content.length} bytes, and 0 of the byte quota are left`;
  expect([status, error]).toEqual([400, { code: "Ecs.0001", message }]);
  const { text } = await ground.ada("GET", `${ground.base()}/detail`);
  expect(JSON.parse(text)).toMatchObject({ count: 2 });
  expect(pinsOf(await ground.ground.staging.list("fpga/"))).toBe(2);
});

it("a registration that is sent again with its key is the same, whatever is left of the quota", async () => {
  const content = buildRawStream();
  ground = await startFpgaGround({ quota: 2 * content.length });
  await ground.put("obs-fpga", "fpga.bin", content);
  const send = () => ground.ada("POST", ground.base(), { body, headers: { "idempotency-key": "k" } });
  const [one, two] = [await send(), await send()];
  expect([two.status, two.text]).toEqual([200, one.text]);
  expect((await register()).status).toBe(400);
  expect(pinsOf(await ground.ground.staging.list("fpga/"))).toBe(1);
});

const pinsOf = (staged: readonly { key: string }[]) => new Set(staged.map(({ key }) => key)).size;
