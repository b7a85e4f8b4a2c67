import http from "node:http";
import type { Agent, RequestOptions } from "node:https";
import type { Answer, Call } from "./call.ts";
import { PatientSocket } from "./patient-socket.ts";

const keepAlive = { keepAlive: true, keepAliveMsecs: 30_000 };
const plain = { open: http.request, agent: new http.Agent(keepAlive) };
let tls: Promise<{ open: typeof http.request; agent: Agent }> | undefined;
/** Imported at the first HTTPS request: plain HTTP need not wait for TLS to load. */
const overTls = () =>
  (tls ??= import("node:https").then(({ request, Agent }) => ({
    open: request,
    agent: new Agent(keepAlive),
  })));

/** How long (ms) an upload waits for `100 Continue` before it sends its body without it. */
const CONTINUE_MS = 2_000;

/** What `send` in send.ts does. */
export async function request(base: URL, call: Call): Promise<Answer> {
  const secure = base.protocol === "https:";
  const streamed = call.body && !Buffer.isBuffer(call.body) ? call.body : undefined;
  const length = streamed?.length ?? (call.body as Buffer | undefined)?.length;
  const path = `${base.pathname.replace(/\/$/, "")}${call.path}`;
  const host = base.hostname.replace(/^\[|\]$/g, "");
  const port = Number(base.port) || (secure ? 443 : 80);
  const { open, agent } = await (secure ? overTls() : plain);
  const options: RequestOptions = {
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
      : { agent: streamed ? false : agent }),
  };
  return new Promise((resolve, reject) => {
    const request = open(options);
    let answered = false;
    let bodyError: unknown;
    request.on("error", (error) => reject(bodyError ?? error));
    request.on("response", (body) => {
      answered = true;
      // The server does not read the rest of the upload: the connection is used for its answer only.
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
