import { setTimeout as pause } from "node:timers/promises";

/** A value of a form: a list is a repeated field. */
export type Fields = Record<string, string | number | readonly (string | number)[]>;
export type Query = Record<string, string | number | boolean>;

export type RequestOptions = {
  headers?: Record<string, string>;
  body?: Exclude<RequestInit["body"], null | undefined>;
  /** 423 is what the test wants to see (default false: asked again as Retry-After says) */
  lockIsAnswer?: boolean;
  signal?: AbortSignal;
};

/** One answer, read whole. */
export class Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;

  constructor(status: number, headers: Headers, bytes: Buffer) {
    this.status = status;
    this.headers = headers;
    this.bytes = bytes;
  }

  get text(): string {
    return this.bytes.toString();
  }

  // biome-ignore lint/suspicious/noExplicitAny: what comes over the wire has no type; the tests say what it must be
  get json(): any {
    return JSON.parse(this.text);
  }

  header(name: string): string | undefined {
    return this.headers.get(name) ?? undefined;
  }
}

const BUSY_MS = 180_000;

/** Speaks plain HTTP for one user. A busy edge is asked again, since only one command runs at a time. */
export class Client {
  readonly url: string;
  readonly token: string | undefined;

  constructor(url: string, token?: string) {
    this.url = url;
    this.token = token;
  }

  /** @throws Error when the edge is busy for longer than three minutes */
  async request(method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
    const until = performance.now() + BUSY_MS;
    for (;;) {
      const response = await this.open(method, path, options);
      const answer = new Answer(response.status, response.headers, Buffer.from(await response.arrayBuffer()));
      if (answer.status !== 423 || options.lockIsAnswer) return answer;
      if (performance.now() > until) throw new Error(`${path}: busy for too long: ${answer.text}`);
      await pause(Number(answer.header("retry-after") ?? 1) * 1000);
    }
  }

  /** The response as it comes, for answers that are streamed. */
  open(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
    const { headers, body, signal } = options;
    return fetch(this.url + path, {
      method,
      headers: { ...(this.token && { authorization: `Bearer ${this.token}` }), ...headers },
      body: body ?? null,
      signal: signal ?? null,
      redirect: "manual",
    });
  }

  get(path: string, query: Query = {}, options: RequestOptions = {}): Promise<Answer> {
    return this.request("GET", `${path}${queryText(query)}`, options);
  }

  /** POST of a multipart form without files. */
  form(path: string, fields: Fields = {}, options: RequestOptions = {}): Promise<Answer> {
    return this.request("POST", path, { ...options, body: formOf(fields) });
  }

  /** POST of an url-encoded form. */
  encoded(path: string, fields: Fields = {}, options: RequestOptions = {}): Promise<Answer> {
    return this.request("POST", path, { ...options, body: new URLSearchParams(pairs(fields)) });
  }

  /** POST of JSON. */
  json(path: string, value: unknown, options: RequestOptions = {}): Promise<Answer> {
    const headers = { "content-type": "application/json", ...options.headers };
    return this.request("POST", path, { ...options, headers, body: JSON.stringify(value) });
  }

  /** POST /em/files/uplink: fields, then files by name. */
  uplink(files: Record<string, string | Uint8Array>, fields: Fields = {}, options: RequestOptions = {}) {
    const form = formOf(fields);
    for (const [name, content] of Object.entries(files)) form.append("files", blobOf(content), name);
    return this.request("POST", "/em/files/uplink", { ...options, body: form });
  }
}

export function queryText(query: Query): string {
  const text = new URLSearchParams(
    Object.entries(query).map(([k, v]): [string, string] => [k, String(v)]),
  ).toString();
  return text === "" ? "" : `?${text}`;
}

export function blobOf(content: string | Uint8Array): Blob {
  return new Blob([typeof content === "string" ? content : new Uint8Array(content)]);
}

function formOf(fields: Fields): FormData {
  const form = new FormData();
  for (const [name, value] of pairs(fields)) form.append(name, value);
  return form;
}

function pairs(fields: Fields): [string, string][] {
  return Object.entries(fields).flatMap(([name, values]) =>
    (Array.isArray(values) ? values : [values]).map((value): [string, string] => [name, String(value)]),
  );
}
