import { LIMITS } from "#protocol/limits.ts";
import { decodeAnyText } from "../../http/decode-text.ts";
import { rawTarget } from "../../http/raw-request.ts";
import type { DialectContext } from "../dialect.ts";
import { refusal, TEXTS } from "./refusals.ts";

const TRUE = new Set(["1", "t", "T", "true", "TRUE", "True"]);
const FALSE = new Set(["0", "f", "F", "false", "FALSE", "False"]);

/** The first value of a query's parameter, by its exact name. Bytes that are not UTF-8 become U+FFFD. */
export function queryValue(c: DialectContext, name: string): string | undefined {
  return valueIn(rawTarget(c), name);
}

/** As {@link queryValue}, of a request's target. */
export function valueIn(target: string, name: string): string | undefined {
  const [, query = ""] = /^[^?#]*\?([^#]*)/.exec(target) ?? [];
  for (const pair of query.split("&")) {
    const equals = pair.indexOf("=");
    if (decoded(equals < 0 ? pair : pair.slice(0, equals)) !== name) continue;
    return equals < 0 ? "" : decoded(pair.slice(equals + 1));
  }
  return undefined;
}

/** The path that a query names, `otherwise` where it names none. @throws 424 for one that no file can have */
export function pathIn(c: DialectContext, otherwise: string): string {
  const path = queryValue(c, "path") || otherwise;
  const isPossible = path !== "" && !path.includes("\0") && Buffer.byteLength(path) <= LIMITS.pathBytes;
  if (!isPossible) throw refusal(424, TEXTS.unreadable);
  return path;
}

/** A boolean of the query; unreadable, empty or absent is `otherwise`. */
export function lenientFlag(c: DialectContext, name: string, otherwise: boolean): boolean {
  const value = queryValue(c, name) ?? "";
  return TRUE.has(value) || (otherwise && !FALSE.has(value));
}

/** A boolean of the query; empty or absent is false. @throws 400 */
export function strictFlag(c: DialectContext, name: string): boolean {
  const value = queryValue(c, name) ?? "";
  if (TRUE.has(value)) return true;
  if (value === "" || FALSE.has(value)) return false;
  throw refusal(400, `${name} must be a boolean`);
}

function decoded(text: string): string {
  const bytes = text
    .replaceAll("+", " ")
    .replace(/%([0-9a-f]{2})/gi, (_all, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  return decodeAnyText(Buffer.from(bytes, "latin1"));
}
