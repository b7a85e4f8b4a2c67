import { LIMITS } from "#protocol/limits.ts";
import { DockerfileError } from "./error.ts";

const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const DEFAULT_SHELL = ["/bin/sh", "-c"];

/** What a stage's instructions see: its environment, its build arguments, its shell. */
export class Scope {
  readonly #env: Map<string, string>;
  shell: readonly string[];
  /** undefined: declared without a value */
  readonly #args = new Map<string, string | undefined>();

  constructor(env: Iterable<readonly [string, string]>, shell: readonly string[] = []) {
    this.#env = new Map(env);
    // the engine gives one to whoever has none
    if (!this.#env.has("PATH")) this.#env.set("PATH", DEFAULT_PATH);
    this.shell = shell.length > 0 ? shell : DEFAULT_SHELL;
  }

  /** Of an image's `NAME=value`; of names that are there twice the last counts. */
  static of(env: readonly string[], shell: readonly string[] = []): Scope {
    return new Scope(
      env.map((pair) => {
        const equals = pair.indexOf("=");
        return equals < 0 ? [pair, ""] : [pair.slice(0, equals), pair.slice(equals + 1)];
      }),
      shell,
    );
  }

  declare(name: string, value: string | undefined): void {
    this.#args.set(name, value);
  }

  /** ENV wins over ARG. @throws DockerfileError */
  set(name: string, value: string): void {
    this.#env.set(name, value);
    if (this.#env.size > LIMITS.dockerfileVariables) {
      throw new DockerfileError(
        `there are over ${LIMITS.dockerfileVariables.toLocaleString("en")} environment variables`,
      );
    }
  }

  get(name: string): string | undefined {
    return this.#env.get(name) ?? this.#args.get(name);
  }

  /** What a stage that is built on this one sees. */
  child(): Scope {
    return new Scope(this.#env, this.shell);
  }
}
