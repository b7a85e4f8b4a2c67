import { createHmac, timingSafeEqual } from "node:crypto";
import { ACCESS_KEY } from "./access-key.ts";
import { type SignedRequest, splitTarget } from "./signed-request.ts";
import { MOST_SKEW_MS } from "./skew.ts";

/** What a header `Authorization: AWS <access key>:<signature>` (signature version 2) says. */
export type ObjectAuthorization = { accessKey: string; signature: Buffer };

/** @returns undefined for what is no such header, or a malformed one */
export function objectAuthorization(header: string): ObjectAuthorization | undefined {
  const [, accessKey = "", signature = ""] = /^AWS ([^\s:]+):([A-Za-z0-9+/]{27}=)$/.exec(header) ?? [];
  return ACCESS_KEY.test(accessKey) ? { accessKey, signature: Buffer.from(signature, "base64") } : undefined;
}

export type ObjectSigned = "signed" | "other-signature" | "no-time" | "too-skewed";

/** Parameters that are signed; others are not. */
const SUB_RESOURCES = ["acl", "location"];

/**
 * Is the signature that of `secret` over the request? The signature is looked at first: only who holds the key learns
 * how the clocks differ.
 * @param now ms since 1970
 */
export function objectSigned(
  request: SignedRequest,
  { signature }: ObjectAuthorization,
  secret: string,
  now: number,
): ObjectSigned {
  const own = request.header("x-amz-date");
  const date = own ?? request.header("date");
  const text = [
    request.method,
    request.header("content-md5") ?? "",
    request.header("content-type") ?? "",
    own === undefined ? (date ?? "") : "",
    amzHeaders(request) + resource(request.target),
  ].join("\n");
  const expected = createHmac("sha1", secret).update(text).digest();
  if (!timingSafeEqual(expected, signature)) return "other-signature";
  const at = date === undefined ? undefined : timeOf(date);
  if (at === undefined) return "no-time";
  return Math.abs(now - at) <= MOST_SKEW_MS ? "signed" : "too-skewed";
}

function amzHeaders(request: SignedRequest): string {
  // by the names alone: with its colon, one would come behind those that it is the beginning of
  return [...request.headersOf("x-amz-")]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, value]) => `${name}:${value.trim()}\n`)
    .join("");
}

function resource(target: string): string {
  const { path, query } = splitTarget(target);
  const names = query.split("&").map((pair) => pair.split("=", 1)[0] ?? "");
  const signed = SUB_RESOURCES.filter((name) => names.includes(name));
  return signed.length === 0 ? path : `${path}?${signed.join("&")}`;
}

const DATE = /^[A-Z][a-z]{2}, (\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d) (?:GMT|\+0000)$/;

/** ms since 1970 of an HTTP date, whose zone may be written `+0000`. */
function timeOf(date: string): number | undefined {
  const [, text] = DATE.exec(date) ?? [];
  const time = text === undefined ? Number.NaN : Date.parse(`${text} GMT`);
  return Number.isNaN(time) ? undefined : time;
}
