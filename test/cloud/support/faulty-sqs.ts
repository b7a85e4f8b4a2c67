import { once } from "node:events";
import { createServer, type IncomingMessage, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

/** MD5 of the message "ring", which the SDK checks. */
const MD5_OF_RING = "1a5df958e0f29d35594c7cf057fe4bd1";

type Fault = "lost" | "doubled" | "answer lost" | undefined;

/**
 * SQS, with faults by the name of the action: a message may be lost though its sender is told that it was taken,
 * be sent twice, or be handed out in an answer that never arrives.
 */
export class FaultySqs {
  /** decides on each request; `action` as in "SendMessage" */
  fault: (action: string) => Fault = () => undefined;
  readonly #target: URL;
  readonly #server: Server;

  private constructor(target: string) {
    this.#target = new URL(target);
    this.#server = createServer(async (incoming, answer) => {
      const body = await buffer(incoming);
      const action = String(incoming.headers["x-amz-target"]).split(".")[1] ?? "";
      const fault = this.fault(action);
      if (fault === "lost") {
        const taken = { MessageId: "00000000-0000-0000-0000-000000000000", MD5OfMessageBody: MD5_OF_RING };
        answer.writeHead(200, { "content-type": "application/x-amz-json-1.0" }).end(JSON.stringify(taken));
        return;
      }
      if (fault === "doubled") await this.#forward(incoming, body);
      const real = await this.#forward(incoming, body).catch(() => undefined);
      if (!real || fault === "answer lost") {
        incoming.socket.destroy();
        return;
      }
      const { "transfer-encoding": _chunked, connection: _connection, ...headers } = real.headers;
      answer.writeHead(real.status, headers).end(real.body);
    });
  }

  static async start(target: string): Promise<FaultySqs> {
    const proxy = new FaultySqs(target);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((closed) => this.#server.close(closed));
  }

  #forward(incoming: IncomingMessage, body: Buffer) {
    const { method, url: path, headers } = incoming;
    const { hostname, port } = this.#target;
    return new Promise<{ status: number; headers: IncomingMessage["headers"]; body: Buffer }>(
      (resolve, reject) => {
        const out = request({ hostname, port, method, path, headers }, async (real) => {
          buffer(real).then(
            (whole) => resolve({ status: real.statusCode!, headers: real.headers, body: whole }),
            reject,
          );
        });
        out.on("error", reject);
        out.end(body);
      },
    );
  }
}
