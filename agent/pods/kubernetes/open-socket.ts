import type http from "node:http";
import type https from "node:https";
import { type ClientOptions, WebSocket } from "ws";
import { MiB } from "#protocol/limits.ts";
import { orAborted } from "../../or-aborted.ts";
import { refusalOf } from "./errors.ts";

/** More than the API server puts into one message. */
const MAX_MESSAGE = 1 * MiB;
/** of a refusal */
const MAX_BODY = 64 * 1024;

/** A WebSocket of the API server, open and paused. @throws KubernetesRefusal; what the connection says; the signal's reason */
export async function openSocket(
  url: URL,
  protocols: readonly string[],
  options: https.RequestOptions,
  signal: AbortSignal,
): Promise<WebSocket> {
  signal.throwIfAborted();
  const socket = new WebSocket(url, [...protocols], {
    ...(options as ClientOptions),
    perMessageDeflate: false,
    followRedirects: false,
    maxPayload: MAX_MESSAGE,
  });
  // who takes it hears of its errors too
  socket.on("error", () => undefined);
  const opened = new Promise<void>((resolve, reject) => {
    // What comes with the answer waits for its taker.
    socket.once("open", () => {
      socket.pause();
      resolve();
    });
    socket.once("error", reject);
    socket.once("unexpected-response", (_request, response) => {
      refused(response).then(reject, reject);
    });
  });
  try {
    await orAborted(opened, signal);
    return socket;
  } catch (error) {
    opened.catch(() => undefined);
    socket.terminate();
    throw error;
  }
}

async function refused(response: http.IncomingMessage): Promise<Error> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY) break;
    chunks.push(chunk);
  }
  return refusalOf(response.statusCode ?? 0, Buffer.concat(chunks).toString());
}
