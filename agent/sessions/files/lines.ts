/** Lines of a stream, without their ends, in Latin-1. One longer than `most` is left out, whatever its length. */
export async function* linesOf(chunks: AsyncIterable<Buffer>, most: number): AsyncGenerator<string> {
  let rest = "";
  let tooLong = false;
  for await (const chunk of chunks) {
    const lines = (rest + chunk.toString("latin1")).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (!tooLong && line.length <= most) yield line;
      tooLong = false;
    }
    if (rest.length > most) {
      rest = "";
      tooLong = true;
    }
  }
}
