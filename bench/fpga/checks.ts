import { mkdtempSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { piecesOf } from "#lambdas/adapters/directory/pieces.ts";
import { checkFile } from "#lambdas/dialects/fpga/checks/check-file.ts";
import { MiB } from "#protocol/limits.ts";
import { program } from "../program.ts";
import { watchMemory } from "../resident-memory.ts";
import { scaled } from "../scale.ts";
import { median, type Row } from "../table.ts";
import { run, time } from "./fpga-bench.ts";
import { writeAei, writeXclbin } from "./large-files.ts";

const SIZE = scaled(512);
const ROUNDS = 3;

/** The checks of a file on the ground against its digest alone, in turns, with the file in the system's cache. */
export async function measureChecks(): Promise<Row[]> {
  const sha256sum = program("sha256sum");
  const directory = mkdtempSync(join(tmpdir(), "perigee-bench-checks-"));
  const rows: Row[] = [];
  try {
    for (const [format, write] of [
      ["AEI", writeAei],
      ["xclbin", writeXclbin],
    ] as const) {
      const file = join(directory, "large");
      write(file, SIZE * MiB);
      const check = async () => {
        const pieces = piecesOf(await open(file));
        const { refused, message } = await checkFile(pieces, { key: "a.xclbin", metadata: "{}" }, []);
        if (refused) throw new Error(message);
      };
      const ours: number[] = [];
      const peer: number[] = [];
      let grown = 0;
      // the first fills the cache and warms both
      for (let round = 0; round < ROUNDS + 1; round++) {
        const memory = watchMemory(process.pid);
        const took = await time(check);
        if (round > 0) grown = Math.max(grown, memory());
        const against = await time(() => run(sha256sum, [file]));
        if (round === 0) continue;
        ours.push(took);
        peer.push(against);
      }
      const speed = (ms: number) => `${((SIZE / ms) * 1000).toFixed(0)} MiB/s`;
      rows.push(
        {
          what: `checks of an ${format} of ${SIZE} MiB`,
          ours: speed(median(ours)),
          peer: `sha256sum: ${speed(median(peer))}`,
          ratio: median(peer) / median(ours),
          goal: { atLeast: 0.9 },
        },
        {
          what: "memory meanwhile",
          ours: `+${(grown / MiB).toFixed(0)} MiB`,
          peer: "32 MiB",
          ratio: grown / (32 * MiB),
          goal: { below: 1 },
        },
      );
    }
    return rows;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
