import { MiB } from "#protocol/limits.ts";
import type { Directory } from "../../files/directory.ts";
import { loadTable, saveTable } from "./known-hashes.ts";
import { type ListOptions, listTree } from "./list-tree.ts";

/** The JSON text of a volume's entries in UTF-8, in pieces; `size` is the sum of its files. Sizes in bytes. */
export type Listing = { chunks: Uint8Array[]; bytes: number; size: number; truncated: boolean };

const CHUNK = 1 * MiB;

/**
 * Lists a volume with the hashes in the file `known`, and stores the hashes that it computed there.
 * Synchronous. @throws what `check` throws
 */
export function listVolume(
  directory: Directory,
  options: Omit<ListOptions, "known"> & { known: string },
): Listing {
  const { pieces, truncated, size, table, changed } = listTree(directory, {
    ...options,
    known: loadTable(options.known),
  });
  if (changed) saveTable(options.known, table);
  const chunks = encode(pieces);
  const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  return { chunks, bytes, size, truncated };
}

/** The text in chunks with buffers of their own, which can be transferred to another thread without copying. */
function encode(pieces: string[]): Uint8Array[] {
  const encoder = new TextEncoder();
  const chunks: Uint8Array[] = [];
  let pending: string[] = [];
  let length = 0;
  const emit = () => {
    const encoded = encoder.encode(pending.join(""));
    if (encoded.length > 0) chunks.push(encoded);
    pending = [];
    length = 0;
  };
  for (const [i, piece] of pieces.entries()) {
    pending.push(piece);
    length += piece.length;
    // released one by one, so that text and bytes are not both in memory completely
    pieces[i] = "";
    if (length >= CHUNK) emit();
  }
  emit();
  return chunks;
}
