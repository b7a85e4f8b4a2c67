/** An XXH64 as it is written everywhere: 16 hex digits. */
export function xxh64Text(hash: bigint): string {
  return hash.toString(16).padStart(16, "0");
}
