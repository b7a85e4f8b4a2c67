import { LIMITS } from "#protocol/limits.ts";
import { collectBody } from "../../http/read-body.ts";
import type { DialectContext } from "../dialect.ts";
import { firstJsonValue } from "./first-json-value.ts";
import { Given } from "./given.ts";

/** A slow body that moves is not cut. */
const BODY_MS = 24 * 3600_000;

/** A body read to its end, or as far as its bound lets it. */
export type ReadBody = { bytes: Buffer } | { failed: unknown };

/** Reads a body whatever it holds, so that what is checked before it can be answered after it. */
export async function readWhole(c: DialectContext, maxBytes: number = LIMITS.bodyBytes): Promise<ReadBody> {
  try {
    return { bytes: await collectBody(c, maxBytes, BODY_MS) };
  } catch (failed) {
    return { failed };
  }
}

/** The keys of a body that was read. @throws 400, BODY_TOO_LARGE */
export function givenIn(body: ReadBody): Given {
  if ("failed" in body) throw body.failed;
  return new Given(firstJsonValue(body.bytes));
}
