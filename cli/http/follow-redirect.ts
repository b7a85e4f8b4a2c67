import type { Answer, Call } from "./call.ts";
import { send } from "./send.ts";

/** Headers that the ground sets; the object store has other values for them, or none. */
const OF_THE_BYTES = ["etag", "content-disposition", "perigee-listing", "perigee-since"];

/**
 * Follows the redirect of a GET once: to the object store that the ground's signed URL names. The access token is not
 * sent there, the requested range is. A relative or missing `Location` is not followed.
 */
export async function followRedirect(
  answer: Answer,
  call: Pick<Call, "method" | "headers" | "idleMs" | "signal">,
): Promise<Answer> {
  const { location } = answer.headers;
  if (call.method !== "GET" || answer.status !== 302 || !location || !URL.canParse(location)) return answer;
  answer.body.resume();
  const url = new URL(location);
  const { Range } = call.headers ?? {};
  const found = await send(new URL(url.origin), {
    method: "GET",
    path: url.pathname + url.search,
    headers: Range ? { Range } : {},
    ...(call.idleMs && { idleMs: call.idleMs }),
    ...(call.signal && { signal: call.signal }),
  });
  if (found.status >= 300) return found;
  const told = OF_THE_BYTES.map((name) => [name, answer.headers[name]]).filter(([, value]) => value);
  return { ...found, headers: { ...found.headers, ...Object.fromEntries(told) } };
}
