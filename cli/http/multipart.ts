import { MiB } from "#protocol/limits.ts";
import type { LocalFile } from "../files/collect.ts";
import { changed, openAgain } from "../files/open-again.ts";
import type { StreamedBody } from "./call.ts";

const CHUNK = 1 * MiB;

/**
 * A multipart body: the fields, then every file as a part whose file name is its path.
 * Memory stays at two chunks whatever the files hold.
 * @param part name of the files' parts (default `files`, those of an uplink)
 */
export function multipart(
  fields: Record<string, string | undefined>,
  files: LocalFile[],
  onSent: (bytes: number) => void,
  part = "files",
): StreamedBody & { type: string } {
  const boundary = `perigee-${crypto.randomUUID()}`;
  let head = "";
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined)
      head += `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  }
  const parts = files.map((file, i) => ({
    file,
    head: Buffer.from((i ? "\r\n" : head) + partHead(boundary, part, file)),
  }));
  const end = Buffer.from(`${files.length ? "\r\n" : head}--${boundary}--\r\n`);
  return {
    type: `multipart/form-data; boundary=${boundary}`,
    length: parts.reduce((sum, part) => sum + part.head.length + part.file.size, end.length),
    async writeTo(write) {
      for (const part of parts) {
        if (!(await write(part.head))) return;
        if (!(await sendFile(part.file, write, onSent))) return;
      }
      await write(end);
    },
  };
}

function partHead(boundary: string, part: string, file: LocalFile): string {
  // Backslash escapes (RFC 2616 quoted-string), so that a percent sign stays a percent sign.
  const name = file.path.replace(/["\\]/g, "\\$&");
  return `--${boundary}\r\nContent-Disposition: form-data; name="${part}"; filename="${name}"\r\nContent-Type: application/octet-stream\r\n\r\n`;
}

async function sendFile(
  file: LocalFile,
  write: (chunk: Buffer) => Promise<boolean>,
  onSent: (bytes: number) => void,
): Promise<boolean> {
  const handle = await openAgain(file);
  try {
    let left = file.size;
    while (left > 0) {
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK, left));
      const { bytesRead } = await handle.read(chunk, 0, chunk.length);
      if (bytesRead === 0) throw changed(file);
      left -= bytesRead;
      if (!(await write(bytesRead === chunk.length ? chunk : chunk.subarray(0, bytesRead)))) return false;
      onSent(bytesRead);
    }
    return true;
  } finally {
    await handle.close();
  }
}
