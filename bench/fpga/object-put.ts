import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { MiB } from "#protocol/limits.ts";
import { program } from "../program.ts";
import { scaled } from "../scale.ts";
import { median, type Row } from "../table.ts";
import { FpgaBench, run, time } from "./fpga-bench.ts";
import { writeRawStream } from "./large-files.ts";

const SIZE = scaled(256);
const ROUNDS = 5;

/** A PUT into the object store against a bare server that pipes to the disk with MD5 and fsync, in turns. */
export async function measureObjectPut(): Promise<Row[]> {
  const curl = program("curl");
  const fpga = await FpgaBench.start();
  const file = join(fpga.bench.scratch, "large.bin");
  const bare = createServer(async (request, response) => {
    const hash = createHash("md5");
    const hashed = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk);
        done(null, chunk);
      },
    });
    await pipeline(request, hashed, createWriteStream(join(fpga.bench.scratch, "bare.bin"), { flush: true }));
    response.end(hash.digest("hex"));
  });
  await new Promise<void>((done) => bare.listen(0, "127.0.0.1", done));
  const url = `http://127.0.0.1:${(bare.address() as AddressInfo).port}/file`;
  try {
    writeRawStream(file, SIZE * MiB);
    const ours: number[] = [];
    const peer: number[] = [];
    // the first warms both
    for (let round = 0; round < ROUNDS + 1; round++) {
      const took = await time(() => fpga.put("large.bin", file));
      const against = await time(() => run(curl, ["-sSf", "-o", "/dev/null", "-T", file, url]));
      if (round === 0) continue;
      ours.push(took);
      peer.push(against);
    }
    const speed = (ms: number) => `${((SIZE / ms) * 1000).toFixed(0)} MiB/s`;
    return [
      {
        what: `PUT of ${SIZE} MiB into the object store`,
        ours: speed(median(ours)),
        peer: `bare server with MD5 and fsync: ${speed(median(peer))}`,
        ratio: median(peer) / median(ours),
        goal: { atLeast: 0.85 },
      },
    ];
  } finally {
    bare.close();
    await fpga.stop();
  }
}
