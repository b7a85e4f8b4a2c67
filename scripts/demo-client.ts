import { styleText } from "node:util";

export type Said = { status: number; headers: Headers; body: Buffer };

/** A body as curl takes it: text fields, or files with their bytes. */
export type Field = { name: string; value: string } | { name: string; file: string; content: Buffer };

const SHOWN_BYTES = 900;

/**
 * Speaks plain HTTP to the ground and shows each request as the curl line that does the same, with what
 * really came back. Tokens and passwords are shown as dots.
 */
export class DemoClient {
  readonly #url: string;
  readonly #out: (line: string) => void;
  readonly #deadline: AbortSignal;
  #token: string | undefined;

  /** @param deadline the whole demo's: no request outlives it */
  constructor(url: string, out: (line: string) => void, deadline: AbortSignal) {
    this.#url = url;
    this.#out = out;
    this.#deadline = deadline;
  }

  /** Logs in; every later request carries the token. */
  async logIn(username: string, password: string): Promise<void> {
    const fields: Field[] = [
      { name: "username", value: username },
      { name: "password", value: password },
    ];
    const said = await this.send("POST", "/auth/", fields);
    const { access } = JSON.parse(said.body.toString()) as { access?: string };
    if (said.status !== 200 || !access) throw new Error(`log-in answered ${said.status}`);
    this.#token = access;
  }

  /**
   * One request. A busy or not yet connected edge (423, 429, 503) is asked again as its `Retry-After` says,
   * until the deadline.
   */
  async send(method: "GET" | "POST", path: string, fields: Field[] = []): Promise<Said> {
    this.#show(styleText("cyan", this.#curl(method, path, fields)));
    for (;;) {
      const response = await fetch(this.#url + path, {
        method,
        ...(method === "POST" && { body: formOf(fields) }),
        headers: this.#token ? { authorization: `Bearer ${this.#token}` } : {},
        signal: this.#deadline,
      });
      const said = {
        status: response.status,
        headers: response.headers,
        body: Buffer.from(await response.arrayBuffer()),
      };
      this.#showAnswer(said);
      const after = Number(response.headers.get("retry-after"));
      if (![423, 429, 503].includes(said.status) || !(after > 0)) return said;
      this.#show(styleText("dim", `      Retry-After: ${after}; asking again`));
      await pause(after * 1000, this.#deadline);
    }
  }

  #curl(method: string, path: string, fields: Field[]): string {
    const words = ["$ curl"];
    if (this.#token) words.push("-H 'Authorization: Bearer ••••••'");
    if (method === "POST" && fields.length === 0) words.push("-X POST");
    for (const field of fields) {
      const value = "file" in field ? `@${field.file}` : field.name === "password" ? "••••••" : field.value;
      words.push(`-F ${field.name}=${value}`);
    }
    const url = `${this.#url}${path}`;
    words.push(url.includes("?") ? `'${url}'` : url);
    return words.join(" ");
  }

  #showAnswer({ status, headers, body }: Said): void {
    const colour = status < 300 ? "green" : status < 500 ? "yellow" : "red";
    const type = headers.get("content-type") ?? "";
    const name = headers.get("content-disposition");
    const text = body.toString().replace(/("(?:access|refresh)":\s*")[^"]*/g, "$1••••••");
    const shown = /json|text/.test(type) || isPrintable(text) ? text : `(${body.length} bytes)`;
    const cut = shown.length > SHOWN_BYTES ? `${shown.slice(0, SHOWN_BYTES)}… (${body.length} bytes)` : shown;
    this.#show(styleText(colour, `  ${status}`) + (name ? styleText("dim", `  ${name}`) : ""));
    for (const line of cut.trimEnd().split("\n")) this.#show(`      ${line}`);
  }

  #show(line: string): void {
    this.#out(line);
  }
}

/** Waits `ms`, or throws when `signal` aborts first. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

function formOf(fields: Field[]): FormData {
  const form = new FormData();
  for (const field of fields) {
    if ("file" in field) form.append(field.name, new Blob([new Uint8Array(field.content)]), field.file);
    else form.append(field.name, field.value);
  }
  return form;
}

function isPrintable(text: string): boolean {
  return !/[^\t\n\r\x20-\x7e\u00a0-\uffff]/.test(text);
}
