/** A `.bit` file: a header with the fields a to e in front of a stream. */
export function buildBit(part: string, stream: Buffer): Buffer {
  const text = (key: string, value: string) => {
    const bytes = Buffer.from(`${value}\0`, "latin1");
    const head = Buffer.alloc(3);
    head.write(key, "latin1");
    head.writeUInt16BE(bytes.length, 1);
    return Buffer.concat([head, bytes]);
  };
  const length = Buffer.alloc(5);
  length.write("e", "latin1");
  length.writeUInt32BE(stream.length, 1);
  return Buffer.concat([
    Buffer.from("00090ff00ff00ff00ff0000001", "hex"),
    text("a", "top;UserID=0XFFFFFFFF"),
    text("b", part),
    text("c", "2026/11/27"),
    text("d", "12:00:00"),
    length,
    stream,
  ]);
}
