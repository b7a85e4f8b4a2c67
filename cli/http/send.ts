import http, { type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import https from "node:https";
import { PatientSocket } from "./patient-socket.ts";

/** A body that is written piece by piece; its length is known beforehand. */
export type StreamedBody = {
  /** bytes */
  length: number;
  /** Writes everything, in order, until `write` resolves to false: the server has answered already. */
  writeTo(write: (chunk: Buffer) => Promise<boolean>): Promise<void>;
};

export type Call = {
  method: "GET" | "POST" | "DELETE";
  /** absolute, with its query */
  path: string;
  headers?: Record<string, string>;
  body?: Buffer | StreamedBody;
  signal?: AbortSignal;
  /** nothing received for this long (ms) ends the call; none: never */
  idleMs?: number;
};

export type Answer = { status: number; headers: IncomingHttpHeaders; body: IncomingMessage };

const keepAlive = { keepAlive: true, keepAliveMsecs: 30_000 };
const agents = { "http:": new http.Agent(keepAlive), "https:": new https.Agent(keepAlive) };

/** How long an upload waits for `100 Continue` before it sends its body unasked. */
const CONTINUE_MS = 2_000;

/**
 * Sends one request and returns the head of its answer. A streamed body goes out after `100 Continue`, so
 * that an early refusal costs nothing; one that comes in the middle stops the sending and is returned too.
 * @throws the network's errors (ECONNREFUSED, ECONNRESET …), or the body's own
 */
export function send(base: URL, call: Call): Promise<Answer> {
  const secure = base.protocol === "https:";
  const streamed = call.body && !Buffer.isBuffer(call.body) ? call.body : undefined;
  const length = streamed?.length ?? (call.body as Buffer | undefined)?.length;
  const path = `${base.pathname.replace(/\/$/, "")}${call.path}`;
  const host = base.hostname.replace(/^\[|\]$/g, "");
  const port = Number(base.port) || (secure ? 443 : 80);
  const options: https.RequestOptions = {
    protocol: base.protocol,
    hostname: host,
    port,
    method: call.method,
    path,
    signal: call.signal,
    headers: {
      Accept: "application/json",
      "User-Agent": "perigee",
      ...(length !== undefined && { "Content-Length": length }),
      ...(streamed && { Expect: "100-continue" }),
      ...call.headers,
    },
    ...(streamed && !secure
      ? { agent: undefined, createConnection: () => PatientSocket.open({ host, port }) }
      : { agent: streamed ? false : agents[secure ? "https:" : "http:"] }),
  };
  return new Promise((resolve, reject) => {
    const request = (secure ? https : http).request(options);
    let answered = false;
    let bodyError: unknown;
    request.on("error", (error) => reject(bodyError ?? error));
    request.on("response", (body) => {
      answered = true;
      // The rest of the upload will not be read: what is left of the connection only carries the answer.
      if (streamed) body.once("end", () => request.destroy());
      resolve({ status: body.statusCode ?? 0, headers: body.headers, body });
    });
    request.on("socket", (socket) => {
      socket.setKeepAlive(true, 30_000);
      socket.setNoDelay(true);
    });
    if (call.idleMs) {
      request.setTimeout(call.idleMs, () => {
        request.destroy(
          Object.assign(new Error("the server said nothing for too long"), { code: "ETIMEDOUT" }),
        );
      });
    }
    if (!streamed) {
      request.end(call.body);
      return;
    }
    const body = streamed;
    const begin = once(() => {
      clearTimeout(timer);
      if (answered) return;
      body
        .writeTo((chunk) => write(request, chunk, () => answered))
        .then(() => {
          if (!answered) request.end();
        })
        .catch((error) => {
          bodyError = error;
          request.destroy(error as Error);
        });
    });
    const timer = setTimeout(begin, CONTINUE_MS);
    request.on("continue", begin);
    request.on("response", () => clearTimeout(timer));
    request.on("close", () => clearTimeout(timer));
    request.flushHeaders();
  });
}

/** Reads a whole text body of at most `max` bytes. */
export async function readText(body: IncomingMessage, max: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > max) {
      body.destroy();
      throw new Error(`the answer is over ${max} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function write(request: http.ClientRequest, chunk: Buffer, answered: () => boolean): Promise<boolean> {
  if (answered() || request.destroyed) return Promise.resolve(false);
  if (request.write(chunk)) return Promise.resolve(!answered());
  return new Promise((resolve) => {
    const settle = () => {
      request.off("drain", settle).off("response", settle).off("close", settle);
      resolve(!answered() && !request.destroyed);
    };
    request.on("drain", settle).on("response", settle).on("close", settle);
  });
}

function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (!done) action();
    done = true;
  };
}
