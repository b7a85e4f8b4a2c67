import type { LambdaFunctionURLEvent } from "aws-lambda";

/** Methods with which `Request` refuses to have a body. */
const WITHOUT_BODY = new Set(["GET", "HEAD"]);

/**
 * The request of a function URL's event, as the Node server would give it: header bytes beyond ASCII as
 * Latin-1, a body only where `Request` takes one ({@link bodyBeside}), its length told.
 * @throws TypeError when it is no request that can be answered (an unknown host, a forbidden method)
 */
export function requestOf(event: LambdaFunctionURLEvent): Request {
  const { http, domainName } = event.requestContext;
  const headers = new Headers();
  for (const [name, value] of Object.entries(event.headers ?? {})) {
    if (value !== undefined) headers.set(name, latin1(value));
  }
  if (event.cookies?.length) headers.set("cookie", latin1(event.cookies.join("; ")));
  const host = headers.get("host") ?? domainName;
  const url = `${headers.get("x-forwarded-proto") ?? "https"}://${host}${targetOf(event)}`;
  const body = WITHOUT_BODY.has(http.method) ? undefined : bodyOf(event);
  if (body) headers.set("content-length", String(body.length));
  return new Request(url, { method: http.method, headers, ...(body && { body }) });
}

/** The request's target as it arrived. */
export function targetOf({ rawPath, rawQueryString }: LambdaFunctionURLEvent): string {
  return `${rawPath}${rawQueryString ? `?${rawQueryString}` : ""}`;
}

/** The body of a request whose method has none for `Request`, though clients send some. */
export function bodyBeside(event: LambdaFunctionURLEvent): Uint8Array<ArrayBuffer> | undefined {
  return WITHOUT_BODY.has(event.requestContext.http.method) ? bodyOf(event) : undefined;
}

function bodyOf(event: LambdaFunctionURLEvent): Uint8Array<ArrayBuffer> | undefined {
  if (event.body === undefined || event.body === "") return undefined;
  return Uint8Array.from(Buffer.from(event.body, event.isBase64Encoded ? "base64" : "utf8"));
}

/** The event's text is UTF-8; a header is bytes, which HTTP for Node reads as Latin-1. */
function latin1(value: string): string {
  return Buffer.from(value, "utf8").toString("latin1");
}
