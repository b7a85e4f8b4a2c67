import type { RangedSource } from "../files/ranged-source.ts";

/** The bytes of a part of a source, piece by piece. @throws the signal's reason */
export async function* reading(
  { signal }: { signal: AbortSignal },
  source: RangedSource,
  start: number,
  length: number,
): AsyncGenerator<Buffer> {
  const body = source.read(start, length);
  try {
    for await (const chunk of body) {
      signal.throwIfAborted();
      yield chunk as Buffer;
    }
  } finally {
    body.destroy();
  }
}
