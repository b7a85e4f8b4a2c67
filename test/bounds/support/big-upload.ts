import { once } from "node:events";
import { MiB } from "#protocol/limits.ts";
import type { Answer, Client } from "#test/contract/support/client.ts";
import { rawUpload } from "#test/contract/support/raw-upload.ts";

const BOUNDARY = "perigee-bounds";

/** A part of the form: a field with its value, or a file of `size` bytes of {@link chunkOf}. */
export type Part = { field: string; value: string } | { file: string; size: number };

/** The `n`-th MiB of a file: no two are the same, so that a piece in a wrong place shows in the hash. */
export function chunkOf(n: number, pattern: Buffer): Buffer {
  // a new one each time, for the last may still be on its way
  const chunk = Buffer.from(pattern);
  chunk.writeUInt32LE(n, 0);
  return chunk;
}

export const PATTERN = Buffer.alloc(MiB, "0123456789abcde\n");

/**
 * POST /em/files/uplink of a form that is made while it is sent, without a Content-Length. Stops sending when
 * the answer is there.
 * @param cutAt bytes of files after which the client goes away; the answer never comes then
 */
export async function bigUpload(
  client: Client,
  parts: Part[],
  cutAt = Infinity,
): Promise<Answer | undefined> {
  const upload = rawUpload(client, "/em/files/uplink", {
    "content-type": `multipart/form-data; boundary=${BOUNDARY}`,
    "transfer-encoding": "chunked",
  });
  let answered = false;
  const ended = upload.answer.finally(() => {
    answered = true;
  });
  ended.catch(() => {});
  const write = async (data: string | Uint8Array) => {
    if (!answered && !upload.request.write(data)) await Promise.race([once(upload.request, "drain"), ended]);
  };
  let sent = 0;
  for (const part of parts) {
    await write(head(part));
    if ("value" in part) continue;
    for (let n = 0; n * MiB < part.size && !answered; n++) {
      const chunk = chunkOf(n, PATTERN).subarray(0, part.size - n * MiB);
      await write(chunk);
      sent += chunk.length;
      if (sent >= cutAt) {
        upload.request.destroy();
        await upload.answer.catch(() => {});
        return undefined;
      }
    }
  }
  if (!answered) upload.request.end(`\r\n--${BOUNDARY}--\r\n`);
  return upload.answer;
}

function head(part: Part): string {
  const [name, rest] =
    "value" in part
      ? [part.field, `\r\n\r\n${part.value}`]
      : ["files", `; filename="${part.file}"\r\nContent-Type: application/octet-stream\r\n\r\n`];
  return `\r\n--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${rest}`;
}
