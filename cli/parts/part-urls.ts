import { CliFailure } from "../failure.ts";
import type { PartName, PartsApi, SignedPart, UploadState } from "./parts-api.ts";

/** URLs requested at a time: about as many parts as are sent while URLs are valid. */
const BATCH = 200;
/** Fraction of their validity in which URLs are used: the last part sent with one has to arrive in time too. */
const USED = 0.75;

/** The URLs of the parts still to be sent, requested when they are needed and renewed as they age. */
export class PartUrls {
  readonly #api: PartsApi;
  readonly #id: string;
  readonly #order: PartName[];
  readonly #index: Map<string, number>;
  readonly #known = new Map<string, { signed: SignedPart; until: number }>();
  readonly #arrived = new Set<string>();
  #asking: Promise<void> | undefined;

  /** @param order the parts in the order in which they are sent */
  constructor(api: PartsApi, id: string, order: PartName[]) {
    this.#api = api;
    this.#id = id;
    this.#order = order;
    this.#index = new Map(order.map((part, i) => [nameOf(part), i]));
  }

  /** Adds the URLs that came with an answer. */
  add({ parts = [], arrived = [], parts_expire_in: seconds = 0 }: UploadState): void {
    const until = performance.now() + seconds * 1000 * USED;
    for (const signed of parts) this.#known.set(nameOf(signed), { signed, until });
    for (const part of arrived) this.#arrived.add(nameOf(part));
  }

  /**
   * Where to send a part; undefined when it has arrived already. Each URL is returned once.
   * @throws CliFailure UPLINK_ENDED when the upload takes no parts any more
   */
  async of(part: PartName): Promise<SignedPart | undefined> {
    const name = nameOf(part);
    for (;;) {
      if (this.#arrived.has(name)) return undefined;
      const known = this.#known.get(name);
      if (known && known.until > performance.now()) return known.signed;
      // One request serves all senders: the next parts need their URLs too.
      this.#asking ??= this.#ask(part).finally(() => {
        this.#asking = undefined;
      });
      await this.#asking;
    }
  }

  /** The part was refused, perhaps because of its URL: get a new one. */
  renew(part: PartName): void {
    this.#known.delete(nameOf(part));
  }

  async #ask(part: PartName): Promise<void> {
    const from = this.#index.get(nameOf(part)) ?? 0;
    const following = this.#order.slice(from + 1, from + BATCH).filter((next) => {
      const known = this.#known.get(nameOf(next));
      return !this.#arrived.has(nameOf(next)) && (!known || known.until <= performance.now());
    });
    const answer = await this.#api.sign(this.#id, [part, ...following]).catch((error: unknown) => {
      throw error instanceof CliFailure && (error.code === "INVALID_PARAMETERS" || error.exit === 4)
        ? ended(this.#id)
        : error;
    });
    if (answer.state !== "staging") throw ended(this.#id);
    this.add(answer);
  }
}

function ended(id: string): CliFailure {
  return new CliFailure("UPLINK_ENDED", `the upload ${id} was cancelled or given up`, {
    hint: "run the same command again: it starts from the beginning",
    fields: { command_id: id },
  });
}

function nameOf({ file, part }: PartName): string {
  return `${file}.${part}`;
}
