import type { Credentials } from "../../support/target.ts";

export type Answer = {
  status: number;
  headers: Headers;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: what comes over the wire has no type; the tests say what it must be
  json: any;
};

export type Sent = { body?: Uint8Array | FormData; headers?: Record<string, string> };

export const basic = ({ name, password }: Credentials) =>
  `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`;

/** Plain HTTP as clients of this API speak it: nobody says what a body is, and every request logs in anew. */
export class UnikClient {
  readonly url: string;
  readonly #headers: Record<string, string>;

  constructor(url: string, authorization?: string) {
    this.url = url;
    this.#headers = authorization === undefined ? {} : { authorization };
  }

  async send(method: string, path: string, { body, headers }: Sent = {}): Promise<Answer> {
    const response = await this.open(method, path, { ...(body && { body }), ...(headers && { headers }) });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      text,
      get json() {
        return JSON.parse(text);
      },
    };
  }

  /** The answer as soon as it begins. */
  open(method: string, path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.url}${path}`, { method, ...init, headers: { ...this.#headers, ...init.headers } });
  }

  get(path: string): Promise<Answer> {
    return this.send("GET", path);
  }

  /** With the body that Go's clients send where they have none. */
  post(path: string, body: unknown = null): Promise<Answer> {
    return this.send("POST", path, { body: Buffer.from(JSON.stringify(body)) });
  }

  delete(path: string): Promise<Answer> {
    return this.send("DELETE", path);
  }

  /** A form with an archive, called as clients call it whatever it is. */
  upload(path: string, archive: Uint8Array, fields: Record<string, string> = {}): Promise<Answer> {
    const body = new FormData();
    body.append("tarfile", new Blob([Buffer.from(archive)]), "/tmp/sources.tar.gz");
    for (const [name, value] of Object.entries(fields)) body.append(name, value);
    return this.send("POST", path, { body });
  }
}
