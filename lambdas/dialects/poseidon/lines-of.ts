/** Bytes as lines, without their ends; a last line without an end is one. @throws Error for a line over `maxBytes` */
export async function* linesOf(pieces: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<string> {
  let begun: Uint8Array[] = [];
  let bytes = 0;
  const keep = (part: Uint8Array) => {
    bytes += part.length;
    if (bytes > maxBytes) throw new Error(`a line has over ${maxBytes} bytes`);
    begun.push(part);
  };
  for await (const piece of pieces) {
    let from = 0;
    for (let end = piece.indexOf(0x0a); end >= 0; end = piece.indexOf(0x0a, from)) {
      keep(piece.subarray(from, end));
      yield Buffer.concat(begun).toString();
      begun = [];
      bytes = 0;
      from = end + 1;
    }
    if (from < piece.length) keep(piece.subarray(from));
  }
  if (begun.length > 0) yield Buffer.concat(begun).toString();
}
