import { LIMITS } from "#protocol/limits.ts";
import { collectBody } from "../../../http/read-body.ts";
import type { DialectContext } from "../../dialect.ts";
import { JsonObject } from "../json-object.ts";

/** A hub as the body of a request describes it; what it does not tell is empty. */
export type HubBody = { url: string; name: string; password: string };

/** @throws INVALID_PARAMETERS */
export async function readHubBody(c: DialectContext): Promise<HubBody> {
  const bytes = await collectBody(c, LIMITS.bodyBytes);
  const body = bytes.length === 0 ? undefined : new JsonObject(bytes);
  const said = (...names: string[]) =>
    names.map((name) => body?.text(name) ?? "").find((text) => text !== "") ?? "";
  return { url: said("url"), name: said("username", "user"), password: said("password", "pass") };
}

const ROUTES = ["push", "pull", "remote-delete"];
const SECRETS = ["password", "pass"];

/** Of a request's body what its digests are made of: what is kept of a call holds no password, not even in a digest. */
export function withoutPasswords(path: readonly string[], body: Buffer): Buffer {
  if (path[0] !== "images" || path[2] === undefined || !ROUTES.includes(path[1]!)) return body;
  let value: unknown;
  try {
    value = JSON.parse(body.toString());
  } catch {
    // its route takes an empty one, and refuses the others
    return Buffer.alloc(0);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return Buffer.alloc(0);
  const kept = Object.entries(value).flatMap(([key, inner]): [string, unknown][] => {
    if (SECRETS.includes(key.toLowerCase())) return [];
    return [[key, key.toLowerCase() === "url" && typeof inner === "string" ? withoutPassword(inner) : inner]];
  });
  return Buffer.from(JSON.stringify(Object.fromEntries(kept)));
}

/** A URL with the user of its log-in alone. */
function withoutPassword(url: string): string {
  return url.replace(/^([^/]*:\/\/)?([^:]*):.*@/, "$1$2@");
}

/** What a refusal may repeat of a URL. */
export function withoutLogIn(url: string): string {
  return url.replace(/^([^/]*:\/\/)?.*@/, "$1");
}
