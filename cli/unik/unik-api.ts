import { type Attempt, type Body, type Client, failureFrom, readJson } from "../client.ts";
import { CliFailure } from "../failure.ts";
import type { Answer } from "../http/call.ts";
import { readText } from "../http/send.ts";

const MOST_TEXT = 1024 * 1024;

/** UniK's API, with the log-in that the other verbs use. */
export class UnikApi {
  readonly client: Client;

  constructor(client: Client) {
    this.client = client;
  }

  /** A list or a description; both are known without contact. */
  async get<T>(path: string): Promise<T> {
    return (await this.#read(await this.#send({ method: "GET", path }))) as T;
  }

  async text(path: string): Promise<string> {
    return readText((await this.#send({ method: "GET", path })).body, MOST_TEXT);
  }

  /** The answer as it comes. */
  open(path: string): Promise<Answer> {
    return this.#send({ method: "GET", path });
  }

  /** What changes something, waiting for an edge that is out of contact. @returns its JSON; undefined for a text */
  async change(attempt: Omit<Attempt, "path"> & { path: string }): Promise<Body | undefined> {
    const answer = await this.ask(attempt);
    if (/^application\/json\b/.test(answer.headers["content-type"] ?? "")) return this.#read(answer);
    await readText(answer.body, MOST_TEXT);
    return undefined;
  }

  /** As {@link change}, with the answer as it comes. */
  ask({ path, headers, ...rest }: Attempt): Promise<Answer> {
    const attempt = { ...rest, path: `/unik${path}`, headers: { Accept: "application/json", ...headers } };
    return this.client.whenFree(attempt, this.client.patience()).catch((error: unknown) => {
      throw reworded(error);
    });
  }

  async #send({ path, ...rest }: Attempt): Promise<Answer> {
    const headers = { Accept: "application/json" };
    const answer = await this.client.send({ ...rest, path: `/unik${path}`, headers });
    if (answer.status >= 300) throw reworded(await failureFrom(answer));
    return answer;
  }

  async #read(answer: Answer): Promise<Body> {
    return readJson(answer);
  }
}

/** A ground without this API knows none of its paths. */
function reworded(error: unknown): unknown {
  if (!(error instanceof CliFailure) || error.code !== "NOT_FOUND") return error;
  const hint = "the operator switches it on: PERIGEE_DIALECTS";
  return new CliFailure("NOT_FOUND", "this ground does not speak UniK's API", { hint, cause: error });
}
