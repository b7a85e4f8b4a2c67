export type RawStreamOptions = {
  order?: "big" | "little";
  /** bytes of the whole (default 4096) */
  size?: number;
  /** default that of a Kintex UltraScale KU040; false: no such packet */
  idcode?: number | false;
  /** default true */
  desync?: boolean;
  /** bytes before the sync word (default 64) */
  syncAt?: number;
};

/**
 * A synthetic configuration stream: its packets are where a real one has them, and it holds no design. No device can be
 * programmed with it.
 */
export function buildRawStream(options: RawStreamOptions = {}): Buffer {
  const { order = "big", size = 4096, idcode = 0x03822093, desync = true, syncAt = 64 } = options;
  const bytes = Buffer.alloc(size, 0xff);
  let at = syncAt;
  const write = (word: number) => {
    if (order === "big") bytes.writeUInt32BE(word, at);
    else bytes.writeUInt32LE(word, at);
    at += 4;
  };
  write(0xaa995566);
  write(0x20000000);
  if (idcode !== false) {
    write(0x30018001);
    write(idcode);
  }
  const end = size - (size % 4) - 16;
  while (at < end) write(0x20000000);
  if (desync) {
    write(0x30008001);
    write(0x0000000d);
  }
  return bytes;
}
