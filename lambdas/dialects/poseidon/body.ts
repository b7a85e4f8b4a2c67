import { LIMITS } from "#protocol/limits.ts";
import { bodyStream } from "../../http/body-stream.ts";
import { collectBody } from "../../http/read-body.ts";
import type { DialectContext } from "../dialect.ts";
import { firstJsonValue } from "./first-json-value.ts";
import { Given } from "./given.ts";

/** A slow body that moves is not cut. */
const BODY_MS = 24 * 3600_000;

/** A body read to its end, or as far as its bound lets it. */
export type ReadBody = { bytes: Buffer } | { failed: unknown };

/**
 * Reads a body whatever it holds, so that what is checked before it can be answered after it.
 * @param arrived as that of `collectBody`
 */
export async function readWhole(
  c: DialectContext,
  maxBytes: number = LIMITS.bodyBytes,
  arrived?: (bytes: number) => void,
): Promise<ReadBody> {
  try {
    return { bytes: await collectBody(c, maxBytes, BODY_MS, arrived) };
  } catch (failed) {
    return { failed };
  }
}

/** Throws what is left of a body away as it comes, to its end or as far as its bound lets it. */
export async function throwAway(c: DialectContext, maxBytes: number): Promise<void> {
  const stream = bodyStream(c);
  if (!stream || stream.readableEnded || stream.destroyed) return;
  let size = 0;
  await new Promise<void>((resolve) => {
    const count = (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) over();
    };
    const over = () => {
      stream.off("data", count).off("end", over).off("error", over).off("close", over);
      stream.on("error", () => {});
      resolve();
    };
    stream.on("data", count).on("end", over).on("error", over).on("close", over);
    stream.resume();
  });
}

/** The keys of a body that was read. @throws 400, BODY_TOO_LARGE */
export function givenIn(body: ReadBody): Given {
  if ("failed" in body) throw body.failed;
  return new Given(firstJsonValue(body.bytes));
}
