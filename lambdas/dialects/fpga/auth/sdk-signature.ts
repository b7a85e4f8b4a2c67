import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { canonicalQuery } from "./canonical-query.ts";
import { SDK_ALGORITHM, type SdkAuthorization } from "./sdk-authorization.ts";
import { type SignedRequest, splitTarget } from "./signed-request.ts";
import { MOST_SKEW_MS } from "./skew.ts";

/**
 * Is the signature that of `secret` over the request, and made within 15 minutes of `now`? Every candidate for the Host
 * is computed whatever an earlier one gave, so that the time tells nothing.
 * @param now ms since 1970
 */
export function isSdkSigned(
  request: SignedRequest,
  authorization: SdkAuthorization,
  secret: string,
  now: number,
): boolean {
  const { scope, signedHeaders, signature } = authorization;
  const date = request.header("x-sdk-date") ?? "";
  const at = timeOf(date);
  const fits =
    at !== undefined &&
    Math.abs(now - at) <= MOST_SKEW_MS &&
    (!scope || date.startsWith(scope.date)) &&
    signedHeaders.includes("host") &&
    signedHeaders.includes("x-sdk-date") &&
    signedHeaders.every((name) => request.header(name) !== undefined);
  const key = scope ? scopedKey(secret, scope) : secret;
  const scopeText = scope && `${scope.date}/${scope.region}/${scope.service}/sdk_request`;
  const matches = request.hosts.map((host) => {
    const hash = createHash("sha256")
      .update(canonicalRequest(request, signedHeaders, host))
      .digest("hex");
    const text = [SDK_ALGORITHM, date, ...(scopeText === undefined ? [] : [scopeText]), hash].join("\n");
    return timingSafeEqual(createHmac("sha256", key).update(text).digest(), signature);
  });
  return matches.includes(true) && fits;
}

function canonicalRequest(request: SignedRequest, signedHeaders: readonly string[], host: string): string {
  const { path, query } = splitTarget(request.target);
  const headers = signedHeaders.map((name) => {
    const value = name === "host" ? host : (request.header(name) ?? "");
    return `${name}:${value.trim()}\n`;
  });
  return [
    request.method,
    path.endsWith("/") ? path : `${path}/`,
    canonicalQuery(query),
    headers.join(""),
    signedHeaders.join(";"),
    createHash("sha256").update(request.body).digest("hex"),
  ].join("\n");
}

function scopedKey(
  secret: string,
  { date, region, service }: NonNullable<SdkAuthorization["scope"]>,
): Buffer {
  const hmac = (key: string | Buffer, text: string) => createHmac("sha256", key).update(text).digest();
  return hmac(hmac(hmac(hmac(`SDK${secret}`, date), region), service), "sdk_request");
}

/** ms since 1970 of `yyyymmddThhmmssZ`; undefined for what is no time. */
function timeOf(date: string): number | undefined {
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date) ?? [];
  if (year === undefined) return undefined;
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(time) ? undefined : time;
}
