import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import { BASE_IMAGE } from "../../scripts/ensure-base-image.ts";
import { podState } from "../bench-stack.ts";
import { scaled } from "../scale.ts";
import { median, type Row } from "../table.ts";
import { FpgaBench, time } from "./fpga-bench.ts";

const ROUNDS = scaled(9);
const POLL_MS = 20;
const COMMAND = "trap 'exit 0' TERM; sleep 600 & wait";

/** `pod/run` until running on a simulated device that answers at once, with an FPGA image and without, in turns. */
export async function measureRunStart(): Promise<Row[]> {
  const fpga = await FpgaBench.start();
  const { bench } = fpga;
  const start = async (pod: string, image: string) => {
    const took = await time(async () => {
      const fields = { image: BASE_IMAGE, node: "FPGA", max_duration: "10", command: COMMAND };
      await bench.post("/em/pod/run", { ...fields, pod_name: pod, fpga_image: image });
      for (;;) {
        const state = await podState(bench, pod);
        if (state.terminated) throw new Error(`the pod ended: ${JSON.stringify(state)}`);
        if (state.running) return;
        await sleep(POLL_MS);
      }
    });
    await bench.post("/em/pod/stop", { pod_name: pod });
    return took;
  };
  try {
    const file = join(bench.scratch, "small.bin");
    writeFileSync(file, buildRawStream());
    await fpga.put("small.bin", file);
    const id = await fpga.register("small", "small.bin");
    await fpga.active(id);
    const ours: number[] = [];
    const peer: number[] = [];
    // the first makes the user's network and warms both
    for (let round = 0; round < ROUNDS + 1; round++) {
      const took = await start(`with-${round}`, id);
      const against = await start(`without-${round}`, "none");
      if (round === 0) continue;
      ours.push(took);
      peer.push(against);
    }
    if (fpga.device.loads.length !== ROUNDS + 1) throw new Error("the device was not loaded for each run");
    return [
      {
        what: "pod/run with an FPGA image until running, simulated device",
        ours: `${median(ours).toFixed(0)} ms`,
        peer: `the same without: ${median(peer).toFixed(0)} ms`,
        ratio: median(ours) / median(peer),
        goal: { below: 1.2 },
      },
    ];
  } finally {
    await fpga.stop();
  }
}
