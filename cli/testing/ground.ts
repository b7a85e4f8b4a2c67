import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type Seen = { method: string; path: string; headers: http.IncomingHttpHeaders; body: Buffer };
export type Reply = {
  status?: number;
  headers?: Record<string, string>;
  json?: unknown;
  body?: Buffer | string;
};
/** A ready answer, or whatever has to be done with the request; raw ones read the body themselves. */
export type Step =
  | Reply
  | ((seen: Seen) => Reply | Promise<Reply>)
  | { raw: (request: IncomingMessage, response: ServerResponse, seen: Seen) => void };

/** A server that plays the ground: for every `METHOD /path` a script of answers, the last one for ever. */
export class Ground {
  url = "";
  readonly seen: Seen[] = [];
  readonly #scripts = new Map<string, Step[]>();
  readonly #server = http.createServer((request, response) => void this.#answer(request, response));

  static async start(): Promise<Ground> {
    const ground = new Ground();
    // An `Expect: 100-continue` is answered by whoever reads the body, or not at all by an early refusal.
    ground.#server.on("checkContinue", (request, response) => void ground.#answer(request, response));
    await new Promise<void>((resolve) => ground.#server.listen(0, "127.0.0.1", resolve));
    ground.url = `http://127.0.0.1:${(ground.#server.address() as AddressInfo).port}`;
    return ground;
  }

  on(route: string, ...steps: Step[]): this {
    this.#scripts.set(route, steps);
    return this;
  }

  /** Requests of a route, in order. */
  calls(route: string): Seen[] {
    return this.seen.filter(({ method, path }) => `${method} ${path.split("?")[0]}` === route);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? "/";
    const method = request.method ?? "GET";
    const seen: Seen = { method, path, headers: request.headers, body: Buffer.alloc(0) };
    this.seen.push(seen);
    const script = this.#scripts.get(`${method} ${path.split("?")[0]}`);
    const step = script && script.length > 1 ? script.shift() : script?.[0];
    if (step && "raw" in step) return step.raw(request, response, seen);
    if (request.headers.expect) response.writeContinue();
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    } catch {
      return;
    }
    seen.body = Buffer.concat(chunks);
    const missing = { status: 404, json: { error: "NOT_FOUND", message: `no script for ${method} ${path}` } };
    reply(response, typeof step === "function" ? await step(seen) : (step ?? missing));
  }
}

export function reply(
  response: ServerResponse,
  { status = 200, headers = {}, json, body = "" }: Reply,
): void {
  const text = json === undefined ? body : JSON.stringify(json);
  const type = json === undefined ? {} : { "Content-Type": "application/json" };
  response.writeHead(status, { ...type, "Content-Length": Buffer.byteLength(text), ...headers });
  response.end(text);
}

/** A command of `GET /commands/{id}`. */
export function command(state: string, more: Record<string, unknown> = {}): Reply {
  const data = { command_id: "01C", operation: "volume.uplink", edge: "em", state, attempts: 1, ...more };
  return { json: { message: "Successfully fetched command", data } };
}

export const ACCEPTED: Reply = {
  status: 202,
  headers: { Location: "/commands/01C" },
  json: { message: "Command accepted", data: { command_id: "01C", state: "queued" } },
};

/** 423 with nothing to wait for (the client still pauses its least). */
export function locked(data: Record<string, unknown>): Reply {
  return {
    status: 423,
    headers: { "Retry-After": "0" },
    json: { error: "LOCKED", message: "CG2 is busy", data },
  };
}

/** An unsigned JWT that ends `seconds` from now. */
export function token(seconds: number, name = "x"): string {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Math.floor(Date.now() / 1000) + seconds;
  return `${encode({ alg: "none" })}.${encode({ sub: name, exp })}.x`;
}
