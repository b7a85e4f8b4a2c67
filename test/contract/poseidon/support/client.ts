import { WebSocket } from "ws";

export type Answer = {
  status: number;
  headers: Headers;
  bytes: Buffer;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: what comes over the wire has no type; the tests say what it must be
  json: any;
};

export type Message = { type: string; data?: unknown };

/** Plain HTTP and WebSockets as a client of Poseidon speaks them. */
export class PoseidonClient {
  readonly url: string;
  readonly token: string | undefined;

  constructor(url: string, token?: string) {
    this.url = url;
    this.token = token;
  }

  async send(method: string, path: string, init: RequestInit = {}): Promise<Answer> {
    const response = await fetch(this.url + path, {
      method,
      ...init,
      headers: { ...(this.token && { "Poseidon-Token": this.token }), ...init.headers },
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    const answer = { status: response.status, headers: response.headers, bytes, text: bytes.toString() };
    return {
      ...answer,
      get json() {
        return JSON.parse(answer.text);
      },
    };
  }

  get(path: string): Promise<Answer> {
    return this.send("GET", path);
  }

  delete(path: string): Promise<Answer> {
    return this.send("DELETE", path);
  }

  /** A body as it is, or as JSON. */
  body(method: string, path: string, body: unknown): Promise<Answer> {
    return this.send(method, path, { body: typeof body === "string" ? body : JSON.stringify(body) });
  }

  /** Copies files of these contents, or removes. */
  patch(runner: string, copy: Record<string, string>, remove: string[] = []): Promise<Answer> {
    const copies = Object.entries(copy).map(([path, content]) => ({
      path,
      content: Buffer.from(content).toString("base64"),
    }));
    return this.body("PATCH", `${runner}/files`, { delete: remove, copy: copies });
  }

  /** Permits an execution. @returns where to connect to */
  async execute(runner: string, body: unknown): Promise<string> {
    const answer = await this.body("POST", `${runner}/execute`, body);
    if (answer.status !== 200) throw new Error(`execute: ${answer.status} ${answer.text}`);
    return answer.json.websocketUrl;
  }

  /** Connects to an execution. */
  connect(url: string, headers: Record<string, string> = {}): Execution {
    return new Execution(url, { ...(this.token && { "Poseidon-Token": this.token }), ...headers });
  }

  /** Runs a command to its end. */
  async run(runner: string, command: string, rest: object = {}): Promise<Execution> {
    const execution = this.connect(await this.execute(runner, { command, ...rest }));
    await execution.closed;
    return execution;
  }
}

/** One execution's socket, with what came. */
export class Execution {
  readonly socket: WebSocket;
  readonly messages: Message[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  /** status and body of an upgrade that was refused */
  refusal: { status: number; text: string } | undefined;
  #changed = Promise.withResolvers<void>();

  constructor(url: string, headers: Record<string, string>) {
    this.socket = new WebSocket(url, { headers });
    const change = () => {
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    };
    this.socket.on("message", (data, binary) => {
      if (binary) throw new Error("a binary frame came");
      this.messages.push(JSON.parse(data.toString()) as Message);
      change();
    });
    this.socket.on("error", () => {});
    this.closed = new Promise((resolve) => {
      this.socket.once("close", (code, reason) => {
        resolve({ code, reason: reason.toString() });
        change();
      });
      this.socket.once("unexpected-response", async (_request, answer) => {
        let text = "";
        for await (const chunk of answer) text += chunk;
        this.refusal = { status: answer.statusCode ?? 0, text };
        this.socket.terminate();
      });
    });
  }

  /** All text of one stream so far. */
  text(stream: "stdout" | "stderr"): string {
    return this.messages.flatMap(({ type, data }) => (type === stream ? [data] : [])).join("");
  }

  get end(): Message | undefined {
    return this.messages.at(-1);
  }

  /** Waits until it is so. @throws Error when the socket closes before */
  async until(is: (execution: this) => boolean): Promise<void> {
    while (!is(this)) {
      if (this.socket.readyState === WebSocket.CLOSED) {
        throw new Error(`closed after ${JSON.stringify(this.messages)}`);
      }
      await this.#changed.promise;
    }
  }
}
