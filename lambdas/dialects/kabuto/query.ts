import { rawTarget } from "../../http/raw-request.ts";
import type { DialectContext } from "../dialect.ts";

/** The query of a request, from the bytes that were sent. */
export function queryOf(c: DialectContext): URLSearchParams {
  const target = Buffer.from(rawTarget(c), "latin1").toString();
  return new URLSearchParams(/^[^?#]*\?([^#]*)/.exec(target)?.[1] ?? "");
}
