import { SAFE_HEADERS } from "./safe-headers.ts";

const JSON_HEADERS = { "content-type": "application/json", ...SAFE_HEADERS };

/** A JSON answer, 200 unless said otherwise. */
export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), { status, headers: { ...JSON_HEADERS, ...headers } });
}
