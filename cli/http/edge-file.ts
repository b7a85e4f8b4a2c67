import { acceptedId, type Client, failureFrom, readJson } from "../client.ts";
import { followToSuccess } from "../follow.ts";
import { query, type VolumeOptions, volumeFields } from "../options.ts";
import type { Patience } from "../patience.ts";
import type { Session } from "../session.ts";
import type { Answer } from "./call.ts";
import { rangeHeaders, type Sink } from "./download.ts";
import { type DownloadSource, receiveThroughCuts } from "./receive-through-cuts.ts";

const IDLE_MS = 120_000;
const RELEASE_MS = 10_000;

/** Receives all of it, and then deletes what the ground still has. */
export async function transfer(session: Session, source: EdgeFile, sink: Sink): Promise<Answer> {
  const answer = await receiveThroughCuts(session, source, sink, "downlinking");
  session.client.current = undefined;
  // It expires after a day anyway, so a ground that fails to delete it now is no error.
  await source.release().catch(() => undefined);
  return answer;
}

/** One file on the edge, fetched as often as needed, but brought to the ground only once if possible. */
export class EdgeFile implements DownloadSource {
  readonly #client: Client;
  readonly #path: string;
  readonly #headers: Record<string, string>;
  readonly #patience: Patience;
  #content: string | undefined;
  /** ask for the contract's own answer, for which nothing is kept on the ground */
  #direct: boolean;

  /** @param headers for the request to the edge */
  constructor(client: Client, path: string, options: VolumeOptions, headers: Record<string, string> = {}) {
    this.#client = client;
    this.#headers = headers;
    this.#patience = client.patience();
    this.#direct = this.#patience.limitMs === 0;
    this.#path = `/em/files/downlink${query({ filepath: path, ...volumeFields(options) })}`;
  }

  /** Everything was received: deletes the copy on the ground, so that it no longer counts towards the quota. */
  async release(): Promise<void> {
    if (!this.#content) return;
    const answer = await this.#client.send({ method: "DELETE", path: this.#content, idleMs: RELEASE_MS });
    answer.body.resume();
  }

  /** The copy on the ground is not the one that was begun: the next attempt brings the file down again. */
  forget(): void {
    this.#content = undefined;
  }

  /** `same`: it is the object that an earlier, cut answer was a part of. */
  async open(sink: Sink): Promise<{ answer: Answer; same: boolean }> {
    const range = rangeHeaders(sink);
    if (this.#content) {
      const answer = await this.#client.send({
        method: "GET",
        path: this.#content,
        headers: range,
        idleMs: IDLE_MS,
      });
      if (answer.status === 200 || answer.status === 206) return { answer, same: true };
      // It was fetched and deleted, or only a part of it is there: bring it down again.
      answer.body.resume();
      this.#content = undefined;
    }
    const prefer: Record<string, string> = this.#direct ? {} : { Prefer: "respond-async" };
    const call = {
      method: "GET",
      path: this.#path,
      headers: { ...this.#headers, ...range, ...prefer },
    } as const;
    const answer = await this.#client.whenFree(call, this.#patience);
    if (answer.status !== 202) return { answer, same: false };
    const id = acceptedId(answer, await readJson(answer));
    const command = await followToSuccess(this.#client, id, this.#patience);
    const content = command.content ?? `/commands/${id}/content`;
    const fetched = await this.#client.send({ method: "GET", path: content, idleMs: IDLE_MS });
    if (fetched.status === 404 && !this.#direct) {
      fetched.body.resume();
      this.#direct = true;
      return this.open(sink);
    }
    if (fetched.status >= 300) throw await failureFrom(fetched);
    this.#content = content;
    return { answer: fetched, same: false };
  }
}
