import { SAFE_HEADERS } from "../../http/safe-headers.ts";

type Headers = Record<string, string>;

/** A JSON answer with its length. */
export function jsonAnswer(body: unknown, status = 200, headers: Headers = {}): Response {
  const bytes = Buffer.from(JSON.stringify(body));
  return new Response(bytes, {
    status,
    headers: {
      "content-type": "application/json",
      "content-length": String(bytes.length),
      ...SAFE_HEADERS,
      ...headers,
    },
  });
}

/** An answer without a body that says so: clients in the field wait for the chunks of a 201 otherwise. */
export function emptyAnswer(status: number, headers: Headers = {}): Response {
  const length: Headers = status === 204 ? {} : { "content-length": "0" };
  return new Response(null, { status, headers: { ...length, ...SAFE_HEADERS, ...headers } });
}
