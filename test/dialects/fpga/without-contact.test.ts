import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { commandOf } from "#lambdas/fields/fpga-image-id.ts";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import { type FpgaGround, startFpgaGround } from "./support/fpga-ground.ts";

const DAY_MS = 24 * 60 * 60_000;
const UUID = "0b5ee0d5-7e2f-4f6c-9a37-6f1b0f0c2a11";

let ground: FpgaGround;
beforeEach(async () => {
  ground = await startFpgaGround();
  await ground.put("obs-fpga", "fpga.bin", buildRawStream());
});
afterEach(() => ground.stop());

/** Tokens do not last as long as this clock runs: what a route does is asked for under another one. */
async function at<T>(ms: number, work: () => Promise<T>): Promise<T> {
  ground.setClock(ms);
  try {
    return await work();
  } finally {
    ground.setClock(undefined);
  }
}
const tokenAt = async () => {
  const account = await ground.core.users.stored("ada");
  return (await ground.core.users.accessToken(account!)).token;
};

describe("without contact", () => {
  it("what a week registered arrives in its order, and lists, associations and deletions go on", async () => {
    const agent = await ground.startAgent();
    const held = await ground.active(agent, { name: "held" });
    const begin = Date.now() - 7 * DAY_MS + 60_000;
    const ids: string[] = [];
    for (let day = 0; day < 7; day++) {
      await at(begin + day * DAY_MS, async () => {
        const headers = { "x-auth-token": await tokenAt() };
        const ask = (method: string, path: string, body?: object) =>
          ground.send(method, ground.base() + path, {
            headers,
            ...(body && { body: JSON.stringify(body) }),
          });
        const of = { location: "obs-fpga:fpga.bin", name: `day-${day}`, metadata: {} };
        const answer = await ask("POST", "", { fpga_image: of });
        expect(answer.status, answer.text).toBe(200);
        ids.push((JSON.parse(answer.text) as { fpga_image: { id: string } }).fpga_image.id);
        await ground.checked();
        const pair = { image: { id: UUID } };
        expect((await ask("POST", `/${held}/association`, pair)).status).toBe(204);
        expect((await ask("GET", `/associations?image_id=${UUID}`)).text).toContain(held);
        expect((await ask("DELETE", `/${held}/association`, pair)).status).toBe(204);
        expect(JSON.parse((await ask("GET", "/detail")).text)).toMatchObject({ count: 2 + day });
      });
    }
    const arrived: string[] = [];
    for (let more = await agent.claim(); more.length > 0; more = await agent.claim()) {
      for (const command of more) {
        arrived.push((command.input as { image: string }).image);
        const { sha256, bytes } = command.input as { sha256: string; bytes: number };
        await agent.report(command, { state: "succeeded", result: { sha256, bytes } });
      }
    }
    expect(arrived).toEqual(ids);
  });

  it("an image says since when it waits, and a deletion too", async () => {
    const agent = await ground.startAgent();
    const held = await ground.active(agent);
    const id = await ground.register();
    await ground.checked();
    expect((await ground.ada("DELETE", `${ground.base()}/${held}`)).status).toBe(204);
    const since = expect.stringMatching(/^waiting for contact since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
    await at(Date.now() + 3 * 60_000, async () => {
      expect(await ground.detail(id)).toMatchObject({ status: "saving", message: since });
      expect(await ground.detail(held)).toMatchObject({ status: "deleting", message: since });
    });
    expect(await ground.detail(id)).toMatchObject({ message: "sent 0 of 1 MB" });
    expect(await ground.detail(held)).toMatchObject({ message: null });
  });
});

describe("the operator's reset of an edge", () => {
  it("abandons what it was storing, and asks for a deletion again", async () => {
    const agent = await ground.startAgent();
    const held = await ground.active(agent);
    const id = await ground.register();
    await ground.checked();
    expect(await agent.claim()).toMatchObject([{ id: commandOf(id) }]);
    await ground.ada("DELETE", `${ground.base()}/${held}`);
    expect(await agent.claim()).toMatchObject([{ operation: "fpga.delete" }]);
    await ground.ground.ledger.resetEdge("em1");
    await ground.checked();
    expect(await ground.detail(id)).toMatchObject({
      status: "error",
      message: expect.stringMatching(/^ABANDONED: /),
    });
    expect(await ground.detail(held)).toMatchObject({ status: "deleting" });
    const again = await ground.startAgent();
    const [deletion] = await again.claim();
    expect(deletion).toMatchObject({ operation: "fpga.delete", input: { image: held } });
    await again.report(deletion!, { state: "succeeded", result: {} });
    expect(await ground.detail(held)).toBeUndefined();
  });
});

it.each([
  ["STORAGE_FULL", "STORAGE_FULL"],
  ["QUOTA_EXCEEDED", "QUOTA_EXCEEDED"],
  ["CHECKSUM_MISMATCH", "DIGEST_MISMATCH"],
  ["DEADLINE_EXCEEDED", "EXPIRED"],
  ["INTERNAL_ERROR", "INTERNAL"],
] as const)("a store that fails with %s is the error %s", async (code, word) => {
  const agent = await ground.startAgent();
  const id = await ground.register();
  await ground.checked();
  const [command] = await agent.claim();
  await agent.report(command!, { state: "failed", failure: { code, message: "why" } });
  expect(await ground.detail(id)).toMatchObject({ status: "error", message: `${word}: why` });
});
