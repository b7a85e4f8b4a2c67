import { LIMITS } from "#protocol/limits.ts";
import { utcSeconds } from "../http/utc-seconds.ts";
import type { PartedFile, PartOf, SignedPartOf } from "./part-files.ts";
import type { Upload } from "./uploads.ts";

/** An upload in parts as its user sees it. */
export function uploadView({ command, plan }: Upload) {
  const { count, bytes } = command.input as { count: number; bytes: number };
  return {
    id: command.id,
    state: command.state,
    edge: command.edge,
    file_count: count,
    total_bytes: bytes,
    ...(plan && {
      expires_at: utcSeconds(command.until ?? 0),
      part_size: plan.partSize,
      files: plan.files.map(({ n, path, size, crc32 }) => ({ file: n, path, size, parts: crc32.length })),
    }),
    complete: `/uplinks/${command.id}/complete`,
    command: `/commands/${command.id}`,
  };
}

/** A part with the request that sends it. `offset` is where it begins in its file, in bytes. */
export function signedPartView(
  { file, number, size, crc32, signed }: SignedPartOf<PartedFile>,
  partSize: number,
) {
  return {
    file: file.n,
    part: number,
    offset: (number - 1) * partSize,
    size,
    crc32,
    method: "PUT",
    url: signed.url,
    headers: signed.headers,
  };
}

/** When the URLs that are signed at `now` (ms) end. */
export function urlsExpireAt(now: number): string {
  return utcSeconds(now + LIMITS.partUrlMs);
}

/** How much is still to come: parts, bytes, and the parts of each file that it is of. */
export function missingView(missing: PartOf<PartedFile>[]) {
  const byFile = Map.groupBy(missing, ({ file }) => file.n);
  return {
    missing: missing.length,
    missing_bytes: missing.reduce((sum, { size }) => sum + size, 0),
    missing_files: [...byFile].map(([file, parts]) => ({ file, parts: parts.map(({ number }) => number) })),
  };
}
