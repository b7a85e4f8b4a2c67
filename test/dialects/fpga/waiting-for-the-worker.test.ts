import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { fpga } from "#lambdas/dialects/fpga/dialect.ts";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import { type FpgaGround, startFpgaGround } from "./support/fpga-ground.ts";

let ground: FpgaGround;
beforeEach(async () => {
  ground = await startFpgaGround();
  await ground.put("obs-fpga", "fpga.bin", buildRawStream());
});
afterEach(() => ground.stop());

it("what the alarm looks at is the oldest image that an edge in contact does not have", async () => {
  const longest = async () => {
    const { LongestSaving } = await fpga.health!(ground.core);
    return LongestSaving;
  };
  const seconds = (value: number) => ({ value, unit: "Seconds" });
  const begin = Date.now();
  expect(await longest()).toEqual(seconds(0));
  for (const after of [0, 10_000]) {
    ground.setClock(begin + after);
    await ground.register();
  }
  await ground.checked();
  // nobody is to be woken for an edge that is out of contact
  expect(await longest()).toEqual(seconds(0));
  const agent = await ground.startAgent();
  ground.setClock(begin + 30_000);
  for (const left of [30, 20, 0]) {
    expect(await longest()).toEqual(seconds(left));
    const [command] = await agent.claim({ fpga: 1 });
    if (!command) continue;
    const { sha256, bytes } = command.input as { sha256: string; bytes: number };
    await agent.report(command, { state: "succeeded", result: { sha256, bytes } });
    await ground.checked();
  }
});

it("a worker that was lost is woken by the janitor, which reads no file itself", async () => {
  const { core, parts } = ground;
  // whoever registered it woke a worker that never came
  vi.spyOn(parts.work, "wake").mockResolvedValue();
  let woken = 0;
  const worker = { wake: async () => void woken++ };
  const beside = { ...core, worker };
  const round = () => fpga.janitor!(beside);
  await round();
  expect(woken).toBe(0);
  const id = await ground.register();
  for (let n = 1; n <= 2; n++) {
    await round();
    expect(woken).toBe(n);
  }
  expect(await ground.detail(id)).toMatchObject({ status: "saving", sha256: null });
  // what the worker does when it hears it
  await fpga.work!(core);
  expect(await ground.detail(id)).toMatchObject({ status: "saving", message: "waiting for contact" });
  await round();
  expect(woken).toBe(2);
});
