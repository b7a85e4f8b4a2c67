import http, { type IncomingMessage } from "node:http";
import https from "node:https";
import { KiB } from "#protocol/limits.ts";
import { readText } from "../http/send.ts";

/** Bytes written at a time, so that progress can be shown within a part. */
const SLICE = 512 * KiB;
/** A connection on which nothing moves for this long (ms) is given up. */
const IDLE_MS = 60_000;
const ANSWER_BYTES = 64 * KiB;

/** Connections to the storage for parts, kept open between parts. */
export class PartConnections {
  readonly #http: http.Agent;
  readonly #https: https.Agent;

  /** @param most connections open at the same time */
  constructor(most: number) {
    const options = { keepAlive: true, maxSockets: most, scheduling: "lifo" } as const;
    this.#http = new http.Agent(options);
    this.#https = new https.Agent(options);
  }

  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  /**
   * PUTs a part and returns the answer's status and the beginning of its text.
   * @param onSent bytes handed to the system so far
   * @throws the network's errors (ECONNRESET …); the signal's
   */
  put(
    url: URL,
    headers: Record<string, string>,
    body: Buffer,
    options: { signal: AbortSignal; onSent: (bytes: number) => void },
  ): Promise<{ status: number; text: string }> {
    const secure = url.protocol === "https:";
    const request = (secure ? https : http).request(url, {
      method: "PUT",
      agent: secure ? this.#https : this.#http,
      headers: { "User-Agent": "perigee", ...headers, "Content-Length": body.length },
      signal: options.signal,
      timeout: IDLE_MS,
    });
    return new Promise((resolve, reject) => {
      request.on("error", reject);
      request.on("timeout", () => request.destroy(timedOut()));
      request.on("response", (answer: IncomingMessage) => {
        readText(answer, ANSWER_BYTES).then((text) => {
          resolve({ status: answer.statusCode ?? 0, text });
          // Refused before everything was sent: the rest would be discarded.
          if (!request.writableFinished) request.destroy();
        }, reject);
      });
      const write = (at: number) => {
        if (request.destroyed) return;
        if (at >= body.length) {
          request.end();
          return;
        }
        const slice = body.subarray(at, at + SLICE);
        request.write(slice, (error) => {
          if (error) return;
          options.onSent(at + slice.length);
          write(at + slice.length);
        });
      };
      write(0);
    });
  }
}

function timedOut(): Error {
  return Object.assign(new Error("nothing was transferred for too long"), { code: "ETIMEDOUT" });
}
