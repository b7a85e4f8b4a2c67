import { CookieJar } from "./cookie-jar.ts";

export type Fields = Record<string, string>;
/** Files by name. */
export type Files = Record<string, string | Uint8Array>;

/** One answer, read whole. */
export type Answer = {
  status: number;
  headers: Headers;
  bytes: Buffer;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: what comes over the wire has no type; the tests say what it must be
  json: any;
};

/** Plain HTTP as a script would speak it, with a cookie jar. */
export class KabutoClient {
  readonly url: string;
  readonly jar: CookieJar;

  /** @param cookie header of a session that is open */
  constructor(url: string, cookie?: string) {
    this.url = url;
    this.jar = new CookieJar(url);
    if (cookie) this.jar.take(new Headers({ "set-cookie": `${cookie}; Path=/` }));
  }

  async send(method: string, path: string, init: RequestInit = {}): Promise<Answer> {
    const cookie = this.jar.header(path);
    const response = await fetch(this.url + path, {
      method,
      redirect: "manual",
      ...init,
      headers: { ...(cookie && { cookie }), ...(init.headers as Fields) },
    });
    this.jar.take(response.headers);
    const bytes = Buffer.from(await response.arrayBuffer());
    const answer = { status: response.status, headers: response.headers, bytes, text: bytes.toString() };
    return {
      ...answer,
      get json() {
        return JSON.parse(answer.text);
      },
    };
  }

  // biome-ignore lint/suspicious/noExplicitAny: as above
  async get(path: string): Promise<any> {
    return (await this.send("GET", path)).json;
  }

  // biome-ignore lint/suspicious/noExplicitAny: as above
  async post(path: string, fields: Fields = {}): Promise<any> {
    return (await this.send("POST", path, { body: new URLSearchParams(fields) })).json;
  }

  // biome-ignore lint/suspicious/noExplicitAny: as above
  async put(path: string, fields: Fields = {}): Promise<any> {
    return (await this.send("PUT", path, { body: new URLSearchParams(fields) })).json;
  }

  // biome-ignore lint/suspicious/noExplicitAny: as above
  async delete(path: string): Promise<any> {
    return (await this.send("DELETE", path)).json;
  }

  /** A multipart form; the files may come before the fields. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  async upload(path: string, fields: Fields, files: Files, method = "POST"): Promise<any> {
    const body = new FormData();
    for (const [name, content] of Object.entries(files)) {
      body.append(
        "attachments",
        new Blob([typeof content === "string" ? content : new Uint8Array(content)]),
        name,
      );
    }
    for (const [name, value] of Object.entries(fields)) body.append(name, value);
    return (await this.send(method, path, { body })).json;
  }

  json(method: string, path: string, value: unknown): Promise<Answer> {
    const body = typeof value === "string" ? value : JSON.stringify(value);
    return this.send(method, path, { body, headers: { "content-type": "application/json" } });
  }

  /** Asks until it is so; the ground waits for each change. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  async until(path: string, is: (body: any) => boolean): Promise<any> {
    // What is so already does not change any more, perhaps: then a wait is all of its 25 s.
    for (let at = path; ; at = `${path}${path.includes("?") ? "&" : "?"}wait=25`) {
      const body = await this.get(at);
      if (is(body)) return body;
    }
  }
}
