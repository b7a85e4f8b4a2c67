import http from "node:http";
import https from "node:https";
import { buffer } from "node:stream/consumers";

export type Answer = { status: number; headers: http.IncomingHttpHeaders; bytes: Buffer; text: string };
export type Sent = { headers?: Record<string, string>; body?: string | Uint8Array };

/** Sends a target as it is given: no class for URLs resolves or encodes anything of it. */
export function send(
  url: string,
  method: string,
  target: string,
  { headers = {}, body }: Sent = {},
): Promise<Answer> {
  const { protocol, hostname: host, port } = new URL(url);
  const { request } = protocol === "https:" ? https : http;
  const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
  return new Promise((resolve, reject) => {
    const outgoing = request({ host, port, method, path: target, headers: { ...length, ...headers } });
    outgoing.once("error", reject);
    outgoing.once("response", (answer) => {
      const { statusCode: status = 0, headers } = answer;
      buffer(answer).then((bytes) => resolve({ status, headers, bytes, text: String(bytes) }), reject);
    });
    outgoing.end(body);
  });
}
