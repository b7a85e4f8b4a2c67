import { usage } from "./failure.ts";

/** A secret from stdin, without the line end that `echo` adds. @throws CliFailure USAGE over 64 KiB */
export async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > 64 * 1024) throw usage("the password on stdin is over 64 KiB");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks)
    .toString("utf8")
    .replace(/\r?\n$/, "");
}
