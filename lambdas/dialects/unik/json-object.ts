import { PerigeeError } from "#protocol/errors.ts";
import { parsedJson, wholeText } from "../../http/read-body.ts";

/** A JSON body as this API's clients write it: keys in any case, `null` for nothing, whatever its Content-Type. */
export class JsonObject {
  readonly #values = new Map<string, unknown>();

  /** @throws INVALID_PARAMETERS when it is no JSON object */
  constructor(bytes: Buffer) {
    const value = parsedJson<unknown>(() => JSON.parse(wholeText(bytes)));
    if (value === null) return;
    if (typeof value !== "object" || Array.isArray(value)) throw wrong("the body", "a JSON object");
    for (const [key, inner] of Object.entries(value)) this.#values.set(key.toLowerCase(), inner);
  }

  /** "" when there is none. */
  text(name: string): string {
    const value = this.#of(name);
    if (value === undefined) return "";
    if (typeof value !== "string") throw wrong(name, "a string");
    return value;
  }

  /** A whole number, 0 when there is none. */
  number(name: string): number {
    const value = this.#of(name);
    if (value === undefined) return 0;
    if (typeof value !== "number" || !Number.isSafeInteger(value)) throw wrong(name, "a whole number");
    return value;
  }

  flag(name: string): boolean {
    const value = this.#of(name);
    return typeof value === "boolean" ? value : isTrue(typeof value === "string" ? value : undefined);
  }

  /** Texts by name, none when there are none. */
  texts(name: string): [string, string][] {
    const value = this.#of(name);
    if (value === undefined) return [];
    if (typeof value !== "object" || Array.isArray(value)) throw wrong(name, "an object of strings");
    return Object.entries(value as object).map(([key, inner]) => {
      if (inner === null) return [key, ""];
      if (typeof inner !== "string") throw wrong(`${name} ${JSON.stringify(key)}`, "a string");
      return [key, inner];
    });
  }

  #of(name: string): unknown {
    return this.#values.get(name.toLowerCase()) ?? undefined;
  }
}

/** Whether a text of this API says yes; anything else, and nothing, is no. */
export function isTrue(text: string | undefined): boolean {
  return text?.toLowerCase() === "true";
}

function wrong(name: string, rule: string): PerigeeError {
  return new PerigeeError("INVALID_PARAMETERS", `${name} must be ${rule}`);
}
