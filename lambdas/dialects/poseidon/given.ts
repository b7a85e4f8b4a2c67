import type { PerigeeError } from "#protocol/errors.ts";
import { refusal } from "./refusals.ts";

/** Most that a number of 32 bits holds. */
export const INT32 = 2 ** 31 - 1;

/**
 * The keys of a JSON object as clients of this API send them: an exact key first, then without regard to letter case;
 * `null` is not given; unknown keys are ignored. What is not given is 0, empty, false or undefined.
 */
export class Given {
  readonly #values: ReadonlyMap<string, unknown>;
  readonly #anyCase: ReadonlyMap<string, unknown>;
  readonly #in: string;

  /**
   * @param where what messages call it, with a dot at its end; empty for a body
   * @throws 400 for what is neither an object nor null
   */
  constructor(value: unknown, where = "") {
    if (typeof value !== "object" || Array.isArray(value)) {
      throw mustBe(where === "" ? "the body" : where.slice(0, -1), "an object");
    }
    const entries = Object.entries(value ?? {}).filter(([, inner]) => inner !== null);
    this.#values = new Map(entries);
    this.#anyCase = new Map(entries.map(([key, inner]) => [key.toLowerCase(), inner]));
    this.#in = where;
  }

  text(key: string): string {
    const value = this.#value(key) ?? "";
    if (typeof value !== "string") throw this.#wrong(key, "a string");
    return value;
  }

  boolean(key: string): boolean {
    const value = this.#value(key) ?? false;
    if (typeof value !== "boolean") throw this.#wrong(key, "a boolean");
    return value;
  }

  /** Not negative. */
  number(key: string): number {
    const value = this.#value(key) ?? 0;
    if (typeof value !== "number" || value < 0 || value === Number.POSITIVE_INFINITY)
      throw this.#wrong(key, "a number that is not negative");
    return value;
  }

  whole(key: string, { least = 0, most = Number.MAX_SAFE_INTEGER } = {}): number {
    return this.#whole(key, this.#value(key) ?? 0, { least, most });
  }

  /** Undefined when it is not given. */
  wholes(key: string, bounds: { least: number; most: number; count: number }): number[] | undefined {
    const list = this.list(key);
    if (list && list.length > bounds.count) throw this.#wrong(key, `a list of at most ${bounds.count}`);
    return list?.map((value, at) => this.#whole(`${key}[${at}]`, value, bounds));
  }

  texts(key: string): string[] {
    return (this.list(key) ?? []).map((value, at) => {
      if (typeof value !== "string") throw this.#wrong(`${key}[${at}]`, "a string");
      return value;
    });
  }

  /** Elements that are null are left out. Undefined when it is not given. */
  list(key: string): unknown[] | undefined {
    const value = this.#value(key);
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) throw this.#wrong(key, "a list");
    return value.filter((inner) => inner !== null);
  }

  /** A map of strings, its own keys as they are. */
  map(key: string): Map<string, string> {
    const value = this.#value(key) ?? {};
    if (typeof value !== "object" || Array.isArray(value)) throw this.#wrong(key, "an object");
    const entries = Object.entries(value).filter(([, inner]) => inner !== null);
    return new Map(
      entries.map(([name, inner]) => {
        if (typeof inner !== "string") throw this.#wrong(`${key}.${name.slice(0, 80)}`, "a string");
        return [name, inner];
      }),
    );
  }

  #value(key: string): unknown {
    return this.#values.get(key) ?? this.#anyCase.get(key.toLowerCase());
  }

  #whole(key: string, value: unknown, { least, most }: { least: number; most: number }): number {
    if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value;
    throw this.#wrong(key, `a whole number from ${least} to ${most}`);
  }

  #wrong(key: string, what: string): PerigeeError {
    return mustBe(`${this.#in}${key}`, what);
  }
}

function mustBe(name: string, what: string): PerigeeError {
  return refusal(400, `${name} must be ${what}`);
}
