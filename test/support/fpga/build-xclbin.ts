export type XclbinSection = { kind: number; content: Buffer };

export type XclbinOptions = {
  /** default one BITSTREAM of 256 bytes */
  sections?: readonly XclbinSection[];
  mode?: number;
  interfaceUuid?: string;
  platform?: string;
  uuid?: string;
  /** bytes of a signature behind the end (default none) */
  signature?: number;
};

/** An xclbin with as many sections as are given, and no design in them. */
export function buildXclbin(options: XclbinOptions = {}): Buffer {
  const {
    sections = [{ kind: 0, content: Buffer.alloc(256, 0x5a) }],
    mode = 0,
    interfaceUuid = "0123456789abcdef0123456789abcdef",
    platform = "vendor_board_shell_1_0",
    uuid = "fedcba9876543210fedcba9876543210",
    signature = 0,
  } = options;
  const head = Buffer.alloc(456 + 40 * sections.length);
  head.write("xclbin2\0", "latin1");
  head.writeInt32LE(signature > 0 ? signature : -1, 8);
  head.writeUInt16LE(mode, 332);
  head.write(interfaceUuid, 336, "hex");
  head.write(platform, 352, 63, "latin1");
  head.write(uuid, 416, "hex");
  head.writeUInt32LE(sections.length, 448);
  let offset = head.length;
  for (const [n, { kind, content }] of sections.entries()) {
    const at = 456 + 40 * n;
    head.writeUInt32LE(kind, at);
    head.writeBigUInt64LE(BigInt(offset), at + 24);
    head.writeBigUInt64LE(BigInt(content.length), at + 32);
    offset += content.length;
  }
  head.writeBigUInt64LE(BigInt(offset), 304);
  return Buffer.concat([head, ...sections.map(({ content }) => content), Buffer.alloc(signature, 0x11)]);
}
