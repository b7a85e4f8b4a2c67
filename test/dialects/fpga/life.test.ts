import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { keys as imageKeys } from "#lambdas/dialects/fpga/images/image-record.ts";
import { StoreWork } from "#lambdas/dialects/fpga/store/store-work.ts";
import { commandOf } from "#lambdas/fields/fpga-image-id.ts";
import type { ClaimedCommand } from "#protocol/wire.ts";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import { holdingsOf } from "../support/holdings-of.ts";
import { type FpgaGround, PASSWORD, startFpgaGround } from "./support/fpga-ground.ts";

let ground: FpgaGround;
beforeEach(async () => {
  ground = await startFpgaGround();
});
afterEach(() => ground.stop());

const UUID = "0b5ee0d5-7e2f-4f6c-9a37-6f1b0f0c2a11";
const stored = ({ input }: ClaimedCommand) => {
  const { sha256, bytes } = input as { sha256: string; bytes: number };
  return { state: "succeeded", result: { sha256, bytes } } as const;
};
const staged = async () => (await ground.ground.staging.list("fpga/")).map(({ key }) => key);
const code = (text: string) => (JSON.parse(text) as { error: { code: string } }).error.code;
const pair = { body: JSON.stringify({ image: { id: UUID } }) };

describe("the life of an image", () => {
  it("goes from saving to active, and is gone when the edge has deleted it", async () => {
    await ground.put("obs-fpga", "fpga.bin", buildRawStream());
    const id = await ground.register({ name: "counter" });
    // what is registered are the bytes of that moment
    await ground.put("obs-fpga", "fpga.bin", Buffer.from("other"));
    await ground.checked();
    expect(await ground.detail(id)).toMatchObject({ status: "saving", message: "waiting for contact" });
    const agent = await ground.startAgent();
    expect(await ground.detail(id)).toMatchObject({ status: "saving", message: "sent 0 of 1 MB" });
    const [command] = await agent.claim();
    expect(command).toMatchObject({
      id: commandOf(id),
      operation: "fpga.store",
      input: { image: id, bytes: 4096, format: "xilinx-bin-be", metadata: "{}" },
    });
    expect(await agent.report(command!, stored(command!))).toBe(200);
    const shown = await ground.detail(id);
    expect(shown).toMatchObject({ status: "active", format: "xilinx-bin-be", size: 1, protected: false });
    expect(shown?.message).toMatch(/^NOT_CHECKED: /);
    await ground.checked();
    expect(await staged()).toEqual([]);
    expect((await holdingsOf(ground.ground, "ada")).items).toMatchObject([
      { dialect: "fpga", kind: "fpga-image", name: "counter", state: "active", bytes: 4096 },
    ]);
    expect((await holdingsOf(ground.ground, "bob")).items).toEqual([]);

    for (let n = 0; n < 2; n++) {
      expect((await ground.ada("DELETE", `${ground.base()}/${id}`)).status).toBe(204);
    }
    expect(await ground.detail(id)).toMatchObject({ status: "deleting", message: null });
    // a deletion that did not succeed is asked for again
    const [first] = await agent.claim();
    expect(first).toMatchObject({ operation: "fpga.delete", input: { image: id } });
    await agent.report(first!, { state: "failed", failure: { code: "INTERNAL_ERROR", message: "x" } });
    expect(await ground.detail(id)).toMatchObject({ status: "deleting" });
    await ground.checked();
    const [second] = await agent.claim();
    await agent.report(second!, { state: "succeeded", result: {} });
    expect(await ground.detail(id)).toBeUndefined();
    expect((await ground.ada("DELETE", `${ground.base()}/${id}`)).status).toBe(404);
    expect(ground.lines).toEqual([]);
  });

  it("ends in error without the edge hearing of it, when there is no such object or it is of no use", async () => {
    await ground.put("abc", "elf.bin", Buffer.concat([Buffer.from("\x7fELF"), Buffer.alloc(100, 1)]));
    const missing = await ground.register({ location: "abc:none.bin" });
    const foreign = await ground.register({ location: "abc:elf.bin" });
    await ground.checked();
    expect(await ground.detail(missing)).toMatchObject({
      status: "error",
      size: 0,
      message: "OBJECT_MISSING: logic file [abc:none.bin] does not exist",
    });
    expect(await ground.detail(foreign)).toMatchObject({
      status: "error",
      message: expect.stringMatching(/^FORMAT_FOREIGN: /),
    });
    const agent = await ground.startAgent();
    expect(await agent.claim()).toEqual([]);
    const answer = await ground.ada("POST", `${ground.base()}/${foreign}/association`, pair);
    expect([answer.status, code(answer.text)]).toEqual([400, "Ecs.0032"]);
    for (const id of [missing, foreign]) {
      expect((await ground.ada("DELETE", `${ground.base()}/${id}`)).status).toBe(204);
      expect(await ground.detail(id)).toBeUndefined();
    }
    await ground.checked();
    expect(await staged()).toEqual([]);
  });

  it("is deleted at once before an agent has it, and behind its store afterwards", async () => {
    await ground.put("obs-fpga", "fpga.bin", buildRawStream());
    const early = await ground.register();
    await ground.checked();
    expect((await ground.ada("DELETE", `${ground.base()}/${early}`)).status).toBe(204);
    expect(await ground.detail(early)).toBeUndefined();

    const late = await ground.register();
    await ground.checked();
    const agent = await ground.startAgent();
    const [store] = await agent.claim();
    expect((await ground.ada("DELETE", `${ground.base()}/${late}`)).status).toBe(204);
    expect(await ground.detail(late)).toMatchObject({ status: "deleting" });
    // what the agent says of it late sets nothing back
    await agent.report(store!, stored(store!));
    expect(await ground.detail(late)).toMatchObject({ status: "deleting" });
    const [deletion] = await agent.claim();
    await agent.report(deletion!, { state: "succeeded", result: {} });
    expect(await ground.detail(late)).toBeUndefined();
  });

  it("waits, and says so, while the edge's agent does not know the operation", async () => {
    await ground.put("obs-fpga", "fpga.bin", buildRawStream());
    await ground.startAgent(["nodes.status"]);
    const id = await ground.register();
    await ground.checked();
    expect(await ground.detail(id)).toMatchObject({
      status: "saving",
      message: expect.stringMatching(/^waiting for a newer agent: /),
    });
    const agent = await ground.startAgent();
    await ground.checked();
    expect(await agent.claim()).toMatchObject([{ operation: "fpga.store", input: { image: id } }]);
  });

  it("waits for contact for seven days, and is then in error", async () => {
    await ground.put("obs-fpga", "fpga.bin", buildRawStream());
    const id = await ground.register();
    await ground.checked();
    const week = 7 * 24 * 60 * 60_000;
    ground.setClock(Date.now() + week - 60_000);
    await ground.checked();
    const status = async () => (await ground.parts.images.find(ground.project().id, id))?.status;
    expect(await status()).toBe("saving");
    ground.setClock(Date.now() + week + 60_000);
    await ground.checked();
    ground.setClock(undefined);
    expect(await ground.detail(id)).toMatchObject({
      status: "error",
      message: expect.stringMatching(/^EXPIRED: /),
    });
    expect(await staged()).toEqual([]);
    const agent = await ground.startAgent();
    expect(await agent.claim()).toEqual([]);
  });

  it("is read by one process, and by another when that one has died", async () => {
    await ground.put("obs-fpga", "fpga.bin", buildRawStream());
    const other = new StoreWork({ core: ground.core, images: ground.parts.images });
    let reads = 0;
    const { staging } = ground.core;
    const pieces = staging.pieces.bind(staging);
    const counted = vi.spyOn(staging, "pieces").mockImplementation((...of) => {
      reads += 1;
      return pieces(...of);
    });
    const id = await ground.register();
    await Promise.all([ground.checked(), other.round()]);
    expect(reads).toBe(1);
    expect(await ground.detail(id)).toMatchObject({ status: "saving", message: "waiting for contact" });
    counted.mockRejectedValueOnce(new Error("a disk that fails"));
    const second = await ground.register();
    await ground.checked();
    await other.round();
    expect(await ground.detail(second)).toMatchObject({ message: "waiting for contact" });
    expect(ground.lines).toHaveLength(1);
    counted.mockRestore();
  });

  it("is one for one Idempotency-Key, and nothing of the second stays", async () => {
    await ground.put("obs-fpga", "fpga.bin", buildRawStream());
    const send = (name: string) =>
      ground.ada("POST", ground.base(), {
        headers: { "idempotency-key": "k" },
        body: JSON.stringify({ fpga_image: { location: "obs-fpga:fpga.bin", name, metadata: {} } }),
      });
    const [one, two] = [await send("a"), await send("a")];
    expect(two).toMatchObject({ status: 200, text: one.text });
    expect((await send("b")).status).toBe(400);
    expect(await staged()).toHaveLength(1);
  });
});

it("an image is deleted when the edge has an agent again that can", async () => {
  await ground.put("obs-fpga", "fpga.bin", buildRawStream());
  const id = await ground.active(await ground.startAgent());
  await ground.startAgent(["fpga.store"]);
  const remove = async () => (await ground.ada("DELETE", `${ground.base()}/${id}`)).status;
  expect([await remove(), await remove()]).toEqual([204, 204]);
  await ground.checked();
  expect(await ground.detail(id)).toMatchObject({ status: "deleting" });
  const agent = await ground.startAgent();
  await ground.checked();
  const [deletion, other] = await agent.claim();
  expect([deletion?.operation, other]).toEqual(["fpga.delete", undefined]);
  await agent.report(deletion!, { state: "succeeded", result: {} });
  expect(await ground.detail(id)).toBeUndefined();
});

it("an image whose command ended without its records is ended by the next round", async () => {
  await ground.put("obs-fpga", "fpga.bin", buildRawStream());
  const id = await ground.register();
  await ground.checked();
  const before = await ground.parts.images.find(ground.project().id, id);
  await ground.ground.dispatch.cancel("ada", commandOf(id));
  expect(await ground.detail(id)).toMatchObject({ status: "error" });
  const { records } = ground.core;
  const key = imageKeys.image(ground.project().id, id);
  await records.transact([{ put: { ...key, data: before } }]);
  await ground.checked();
  expect(await ground.detail(id)).toMatchObject({
    status: "error",
    message: expect.stringMatching(/^CANCELLED: /),
  });
  expect(await staged()).toEqual([]);
});

describe("who asks", () => {
  it("finds every route in the document", async () => {
    const { paths } = JSON.parse((await ground.send("GET", "/openapi.json")).text) as { paths: object };
    const base = "/v1/{project}/cloudservers/fpga_image";
    const own = ["", "/detail", "/associations", "/{image}", "/{image}/association"].map((at) => base + at);
    expect(Object.keys(paths)).toEqual(
      expect.arrayContaining([...own, base.replace("v1", "v2"), "/v3/auth/tokens", "/v3/projects"]),
    );
  });

  it("gets no token for an id that no user has, was not told, or goes with another name", async () => {
    const ask = (user: object) => {
      const identity = { methods: ["password"], password: { user: { ...user, password: PASSWORD } } };
      const body = JSON.stringify({ auth: { identity } });
      return ground.send("POST", "/v3/auth/tokens", { body });
    };
    const answer = await ask({ name: "ada" });
    const { id } = (JSON.parse(answer.text) as { token: { user: { id: string } } }).token.user;
    expect((await ask({ id })).status).toBe(201);
    for (const user of [{ id: "ada" }, { id, name: "bob" }, { id: "0".repeat(32) }]) {
      expect((await ask(user)).status).toBe(401);
    }
  });
});

it("a server goes on with what an earlier one left, and forgets what was never registered", async () => {
  await ground.put("obs-fpga", "fpga.bin", buildRawStream());
  const { core } = ground;
  await core.staging.put("fpga/ada/01ARZ3NDEKTSV4RRFFQ69G5FAV/0", Buffer.from("x"), { maxBytes: 9 });
  await ground.register();
  await ground.ground.janitor.round(0);
  expect((await staged()).filter((key) => key.includes("01ARZ3NDEK"))).toEqual([]);
  expect(await staged()).toHaveLength(1);
});
