import type { FileHandle } from "node:fs/promises";
import { type DeltaPiece, PACKED } from "#protocol/chunking/delta.ts";
import { KiB } from "#protocol/limits.ts";
import type { LocalFile } from "../files/collect.ts";
import { pack } from "./pack.ts";
import { readFrom } from "./read-from.ts";
import type { Run } from "./runs.ts";

export type Packing = {
  handle: FileHandle;
  file: LocalFile;
  /** takes the next bytes of the delta */
  write(bytes: Buffer): Promise<void>;
  /** told how many bytes of the file are done */
  progress?: ((done: number) => void) | undefined;
};

/** What is kept goes as a piece of its own from so many bytes on: less is better packed with what is around it. */
const KEPT = 256 * KiB;

type Gap = { start: number; bytes: number; near: Run[] };

/**
 * The pieces of a delta whose sender has the old content: long runs are kept, and all that is between them is packed with
 * what the old content has at its place.
 */
export async function packPieces(
  runs: Run[],
  { handle, file, write, progress, old, oldFile }: Packing & { old: FileHandle; oldFile: LocalFile },
): Promise<DeltaPiece[]> {
  const pieces: DeltaPiece[] = [];
  let shift = 0;
  for (const part of partsOf(runs)) {
    progress?.(part.start);
    if ("at" in part) {
      pieces.push({ at: part.at, bytes: part.bytes });
      shift = part.at - part.start;
      continue;
    }
    const { start, bytes } = part;
    shift = shiftOf(part.near) ?? shift;
    // in proportion: loading what is around small gaps would take longer than packing all of the file
    const around = Math.min(Math.max(bytes, PACKED.aroundLeast), PACKED.around);
    const at = Math.min(Math.max(0, start + shift - around), oldFile.size);
    const oldBytes = Math.max(0, Math.min(oldFile.size, start + shift + bytes + around) - at);
    const content = await readFrom(handle, file, start, bytes);
    const packed = oldBytes > 0 && (await pack(content, await readFrom(old, oldFile, at, oldBytes)));
    pieces.push(packed ? { at, old: oldBytes, bytes, packed: packed.length } : { bytes });
    await write(packed || content);
  }
  return pieces;
}

/** Long runs, and what is between them in parts that can be packed. */
function* partsOf(runs: Run[]): Generator<(Run & { at: number }) | Gap> {
  let gap: Gap | undefined;
  for (const run of runs) {
    const { at, bytes } = run;
    if (at !== undefined && bytes >= KEPT) {
      if (gap) yield gap;
      gap = undefined;
      yield { ...run, at };
      continue;
    }
    for (let done = 0; done < bytes; ) {
      gap ??= { start: run.start + done, bytes: 0, near: [] };
      gap.near.push(run);
      const more = Math.min(bytes - done, PACKED.bytes - gap.bytes);
      gap.bytes += more;
      done += more;
      if (gap.bytes < PACKED.bytes) continue;
      yield gap;
      gap = undefined;
    }
  }
  if (gap) yield gap;
}

/** How much further on runs are in the old content than in the new: what most say, however some repeat. */
function shiftOf(runs: Run[]): number | undefined {
  const shifts = runs.flatMap(({ at, start }) => (at === undefined ? [] : [at - start]));
  return shifts.sort((a, b) => a - b)[shifts.length >> 1];
}
