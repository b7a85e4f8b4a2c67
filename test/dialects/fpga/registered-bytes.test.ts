import { createHash, randomBytes } from "node:crypto";
import { afterEach, beforeEach, expect, it } from "vitest";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import { share } from "#test/support/long-run.ts";
import { type FpgaGround, startFpgaGround } from "./support/fpga-ground.ts";

let ground: FpgaGround;
beforeEach(async () => {
  ground = await startFpgaGround();
});
afterEach(() => ground.stop());

it("an image has the bytes that its object had when it was registered, whoever replaces them meanwhile", async () => {
  const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
  const versions = Array.from({ length: 5 }, () => Buffer.concat([buildRawStream(), randomBytes(512)]));
  const written = new Set(versions.map(digest));
  const users = ["ada", "bob"];
  const agent = await ground.startAgent();
  // a round at a time, as the lane takes no more
  for (let round = 0; round < share(4, 1); round++) {
    for (const user of users) await ground.put("obs-fpga", "fpga.bin", versions[0]!, user);
    let isDone = false;
    const writers = users.map(async (user) => {
      for (let n = 0; !isDone; n++) {
        await ground.put("obs-fpga", "fpga.bin", versions[n % versions.length]!, user);
      }
    });
    const registered = users.map(async (user) => {
      const ids: string[] = [];
      for (let n = 0; n < share(25, 10); n++) ids.push(await ground.register({}, user));
      return ids;
    });
    const ids = (await Promise.all(registered)).flat();
    isDone = true;
    await Promise.all(writers);
    for (const user of users) await ground.parts.objects.removeAll(ground.project(user).uid);
    await ground.checked();
    const stored = new Map<string, string>();
    for (let more = await agent.claim(); more.length > 0; more = await agent.claim()) {
      for (const command of more) {
        const { image, sha256, bytes } = command.input as { image: string; sha256: string; bytes: number };
        stored.set(image, sha256);
        await agent.report(command, { state: "succeeded", result: { sha256, bytes } });
      }
    }
    expect([...stored.keys()].toSorted()).toEqual(ids.toSorted());
    for (const sha256 of stored.values()) expect(written).toContain(sha256);
  }
  expect(ground.lines).toEqual([]);
});
