import { SAFE_HEADERS } from "../../http/safe-headers.ts";

export const TEXT = "text/plain; charset=utf-8";
/** Of every answer: clients compare it with the contract's one word. */
export const NO_STORE = "no-store";
const HEADERS = { ...SAFE_HEADERS, "cache-control": NO_STORE };

type Headers = Record<string, string>;

export function jsonAnswer(body: unknown, status = 200, headers: Headers = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": "application/json", ...HEADERS, ...headers },
  });
}

/** A text; an empty one says so by its length, as clients take an empty chunked body for a fault. */
export function textAnswer(
  body: string | ReadableStream<Uint8Array>,
  status = 200,
  headers: Headers = {},
): Response {
  const length: Headers =
    typeof body === "string" ? { "content-length": String(Buffer.byteLength(body)) } : {};
  return new Response(body, { status, headers: { "content-type": TEXT, ...HEADERS, ...length, ...headers } });
}

/** 204 has neither a body nor a type of one. */
export function noContent(): Response {
  return new Response(null, { status: 204, headers: HEADERS });
}
