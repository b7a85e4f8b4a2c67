export type ByteOrder = "big" | "little";

/** `size` of the stream in bytes; `syncAt` and `idcode` (version nibble kept) of the first occurrence. */
export type RawStream = {
  order: ByteOrder;
  syncAt: number;
  wholeWords: boolean;
  idcode?: number;
  desync: boolean;
};

const SYNC = 0xaa995566;
const SYNC_SWAPPED = 0x665599aa;
/** type 1 packet: write one word to the register IDCODE (AMD UG570, "Bitstream Composition") */
const WRITE_IDCODE = 0x30018001;
/** write one word to the register CMD, and its value DESYNC */
const WRITE_CMD = 0x30008001;
const DESYNC = 0x0000000d;

/**
 * A raw configuration stream by its first and last bytes, whatever they are; undefined where no sync word is found.
 * @param head the first bytes of it
 * @param tail the last bytes of it
 * @param size of the whole stream, bytes
 */
export function rawStream(head: Buffer, tail: Buffer, size: number): RawStream | undefined {
  const syncAt = alignedIndex(head, 0, 1, (word) => word === SYNC || word === SYNC_SWAPPED);
  if (syncAt === undefined) return undefined;
  const order = head.readUInt32BE(syncAt) === SYNC ? "big" : "little";
  const read = (bytes: Buffer, at: number) =>
    order === "big" ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at);
  const packet = alignedIndex(head, syncAt + 4, 2, (_word, at) => read(head, at) === WRITE_IDCODE);
  // words are aligned to the stream's beginning, and the window of the last bytes may begin between two
  const first = (4 - ((size - tail.length) % 4)) % 4;
  const desync = alignedIndex(
    tail,
    first,
    2,
    (_word, at) => read(tail, at) === WRITE_CMD && read(tail, at + 4) === DESYNC,
  );
  return {
    order,
    syncAt,
    wholeWords: size % 4 === 0,
    ...(packet !== undefined && { idcode: read(head, packet + 4) }),
    desync: desync !== undefined,
  };
}

/** The first index, in steps of a word from `from` on, at which `is` holds and `words` words follow one another. */
function alignedIndex(
  bytes: Buffer,
  from: number,
  words: number,
  is: (word: number, at: number) => boolean,
): number | undefined {
  for (let at = from; at + 4 * words <= bytes.length; at += 4) {
    if (is(bytes.readUInt32BE(at), at)) return at;
  }
  return undefined;
}
