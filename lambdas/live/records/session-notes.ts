import type { LiveEnd, LiveRequest, LiveTarget } from "#protocol/live.ts";
import { LIVE_LIMITS } from "#protocol/live-limits.ts";
import type { LedgerStore } from "../../ports/ledger-store.ts";

/** Begin and end of one session: never what passed through it. Times in ms since 1970. */
export type SessionNote = {
  edge: string;
  kind: LiveRequest["kind"];
  target: LiveTarget;
  began: number;
  ended?: number;
  end?: LiveEnd;
  bytesIn?: number;
  bytesOut?: number;
};

/** Most sessions that one look brings. */
const MOST = 200;

export class SessionNotes {
  readonly #store: LedgerStore;

  constructor(store: LedgerStore) {
    this.#store = store;
  }

  /** @param id a ULID: the newest sorts last */
  async note(user: string, id: string, note: SessionNote): Promise<void> {
    const expiresAt = note.began + LIVE_LIMITS.noteMs;
    await this.#store.transact([{ put: { pk: pkOf(user), sk: id, expiresAt, data: note } }]);
  }

  /** The user's newest sessions first. @param now expired notes are left out, though nobody has removed them yet */
  async list(user: string, now: number): Promise<({ id: string } & SessionNote)[]> {
    const items = await this.#store.query<SessionNote>({ pk: pkOf(user), descending: true, limit: MOST });
    return items.filter(({ expiresAt = 0 }) => expiresAt > now).map(({ sk, data }) => ({ id: sk, ...data }));
  }
}

const pkOf = (user: string) => `live-sessions#${user}`;
