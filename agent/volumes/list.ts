import { LIMITS, MiB } from "#protocol/limits.ts";
import { bytesSource } from "../files/ranged-source.ts";
import type { OperationHandler } from "../operation.ts";
import type { VolumeDeps } from "./volume-deps.ts";
import type { Volumes } from "./volumes.ts";

/** A file's hash is kept only when it was unchanged for this long (ms): the time stamps of file systems are coarse. */
const SETTLED_MS = 2000;
/**
 * The same while a pod runs: writes through a shared mapping show in a file's times only when the page is
 * written back, up to 35 s later.
 */
const SETTLED_IN_USE_MS = 60_000;

/** Lists a volume; one that does not exist lists as empty. */
export function listHandler(volumes: Volumes, deps: VolumeDeps): OperationHandler<"volume.list"> {
  return async ({ command, input, signal, progress, store }) => {
    using directory = volumes.open(command.user, input.volume);
    if (directory === undefined) return { listing: "[]", truncated: false };
    const inUse = await deps.isVolumeInUse(command.user, input.volume);
    const { chunks, bytes, truncated } = await volumes.lister.list(
      directory,
      {
        known: volumes.hashes.fileOf(command.user, input.volume),
        settledMs: inUse ? SETTLED_IN_USE_MS : SETTLED_MS,
      },
      signal,
      (entries, hashedMiB) =>
        progress(
          hashedMiB > 64
            ? { phase: "hashing", done: hashedMiB * MiB, unit: "bytes" }
            : { phase: "listing", done: entries, unit: "files" },
        ),
    );
    if (bytes <= LIMITS.inlineResultBytes) return { listing: Buffer.concat(chunks).toString(), truncated };
    return { content: await store(0, bytesSource(chunks), bytes), truncated };
  };
}
