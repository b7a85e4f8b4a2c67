import { isTrue } from "./json-object.ts";

/** Parameters of a request that may be in its query or in its form: where both have one, the form's counts. */
export class Parameters {
  readonly #query: ReadonlyMap<string, string>;
  readonly #form: Map<string, string>;

  constructor(query: ReadonlyMap<string, string>, form: ReadonlyMap<string, string> = new Map()) {
    this.#query = query;
    this.#form = new Map(form);
  }

  /** A field of the form, as it comes in. */
  add(name: string, value: string): void {
    this.#form.set(name, value);
  }

  /** "" when there is none. */
  text(name: string): string {
    return this.#form.get(name) ?? this.#query.get(name) ?? "";
  }

  flag(name: string): boolean {
    return isTrue(this.text(name));
  }

  /** What the query says, whatever the form does; undefined when it says nothing. */
  inQuery(name: string): string | undefined {
    return this.#query.get(name);
  }

  inForm(name: string): string | undefined {
    return this.#form.get(name);
  }
}
