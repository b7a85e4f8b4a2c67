import { createReadStream, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { MiB } from "#protocol/limits.ts";
import { program } from "../program.ts";
import { watchMemory } from "../resident-memory.ts";
import { scaled } from "../scale.ts";
import { median, type Row } from "../table.ts";
import { FpgaBench, run, sync, time } from "./fpga-bench.ts";
import { writeRawStream } from "./large-files.ts";

const SIZE = scaled(256);
const ROUNDS = 3;

/**
 * From the POST until the image is active, against the same by hand, one after the other: a digest, the way over HTTP to
 * the disk, the digest again, and the disk. Both in turns.
 */
export async function measureDelivery(): Promise<Row[]> {
  const [curl, sha256sum] = [program("curl"), program("sha256sum")];
  const fpga = await FpgaBench.start();
  const { scratch, stack } = fpga.bench;
  const file = join(scratch, "large.bin");
  const server = createServer((_request, response) => void pipeline(createReadStream(file), response));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const copy = join(scratch, "copy.bin");
  const byHand = async () => {
    await run(sha256sum, [file]);
    await run(curl, ["-sSf", "-o", copy, url]);
    await run(sha256sum, [copy]);
    sync(copy);
    rmSync(copy);
  };
  try {
    writeRawStream(file, SIZE * MiB);
    await fpga.put("large.bin", file);
    const ours: number[] = [];
    const peer: number[] = [];
    const grown: number[][] = [];
    // the first warms both
    for (let round = 0; round < ROUNDS + 1; round++) {
      let id = "";
      const memory = [watchMemory(stack.ground.pid), watchMemory(stack.agent.pid)];
      const took = await time(async () => {
        id = await fpga.register(`large-${round}`, "large.bin");
        await fpga.active(id);
      });
      if (round > 0) grown.push(memory.map((peak) => peak()));
      await fpga.remove(id);
      const against = await time(byHand);
      if (round === 0) continue;
      ours.push(took);
      peer.push(against);
    }
    const speed = (ms: number) => `${((SIZE / ms) * 1000).toFixed(0)} MiB/s`;
    const growth = (what: string, n: number): Row => {
      const bytes = Math.max(...grown.map((of) => of[n]!));
      return {
        what: `${what}'s memory meanwhile`,
        ours: `+${(bytes / MiB).toFixed(0)} MiB`,
        peer: "32 MiB",
        ratio: bytes / (32 * MiB),
        goal: { below: 1 },
      };
    };
    return [
      {
        what: `FPGA image of ${SIZE} MiB, POST until active`,
        ours: speed(median(ours)),
        peer: `sha256sum, curl, sha256sum, fsync: ${speed(median(peer))}`,
        ratio: median(peer) / median(ours),
        goal: { atLeast: 0.8 },
      },
      growth("ground", 0),
      growth("agent", 1),
    ];
  } finally {
    server.close();
    await fpga.stop();
  }
}
