import type { Logger } from "pino";
import type { EdgeOffer } from "#protocol/edge-offer.ts";
import { PerigeeError } from "#protocol/errors.ts";

export type OfferDeps = {
  offer(): Promise<EdgeOffer>;
  /** @throws NOT_FOUND of a ground that takes none */
  send(offer: EdgeOffer): Promise<void>;
  log: Pick<Logger, "warn">;
  /** ms, of any clock that goes on */
  now?(): number;
};

/** An older ground takes none; it may have been updated meanwhile. */
const AGAIN_MS = 600_000;

/** Tells the ground what the edge can do: at the agent's start, and when it is something else. */
export class OfferReporter {
  readonly #deps: OfferDeps;
  #told: string | undefined;
  /** when a ground that takes none is tried again */
  #againAt = Number.POSITIVE_INFINITY;
  #looking: Promise<void> | undefined;

  constructor(deps: OfferDeps) {
    this.#deps = deps;
  }

  /** Looks, and tells what is new. What fails is tried with the next look. Never throws; looks do not overlap. */
  look(): Promise<void> {
    this.#looking ??= this.#look()
      .catch((err) => this.#deps.log.warn({ err }, "the ground was not told what the edge can do"))
      .finally(() => {
        this.#looking = undefined;
      });
    return this.#looking;
  }

  /** As {@link look}, but after one that is under way: it may have looked before the change. */
  async changed(): Promise<void> {
    await this.#looking;
    await this.look();
  }

  async #look(): Promise<void> {
    const { now = () => performance.now() } = this.#deps;
    const offer = await this.#deps.offer();
    const text = JSON.stringify(offer);
    if (text === this.#told && now() < this.#againAt) return;
    this.#againAt = Number.POSITIVE_INFINITY;
    try {
      await this.#deps.send(offer);
    } catch (error) {
      if (!(error instanceof PerigeeError && error.code === "NOT_FOUND")) throw error;
      this.#againAt = now() + AGAIN_MS;
    }
    this.#told = text;
  }
}
