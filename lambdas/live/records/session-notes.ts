import { BoundedMap } from "#protocol/bounded-map.ts";
import type { LiveEnd, LiveRequest, LiveTarget } from "#protocol/live.ts";
import { LIVE_LIMITS } from "#protocol/live-limits.ts";
import { type Item, type LedgerStore, MAX_WRITES } from "../../ports/ledger-store.ts";

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

/** Looking for notes that are too many costs a read of all of them: one look for so many new ones of a user. */
const LOOK_EVERY = 50;
const USERS_COUNTED = 10_000;

/** Notes of a user are bounded ({@link LIVE_LIMITS.notesPerUser}): the oldest go first. */
export class SessionNotes {
  readonly #store: LedgerStore;
  /** notes of each user since the last look: none yet in this process, so that a restart does not put one off */
  readonly #since = new BoundedMap<string, number>(USERS_COUNTED);

  constructor(store: LedgerStore) {
    this.#store = store;
  }

  /** @param id a ULID: the newest sorts last */
  async note(user: string, id: string, note: SessionNote): Promise<void> {
    const expiresAt = note.began + LIVE_LIMITS.noteMs;
    await this.#store.transact([{ put: { pk: pkOf(user), sk: id, expiresAt, data: note } }]);
    const since = this.#since.get(user) ?? 0;
    this.#since.set(user, since + 1);
    if (since % LOOK_EVERY === 0) await this.#dropOldest(user);
  }

  /**
   * The user's newest sessions first.
   * @param now expired notes are left out, though nobody has removed them yet
   * @param since what began before it is of an earlier user of that name, in ms since 1970
   */
  async list(user: string, now: number, since = 0): Promise<({ id: string } & SessionNote)[]> {
    const items = await this.#store.query<SessionNote>({ pk: pkOf(user), descending: true, limit: MOST });
    return items
      .filter(({ expiresAt = 0, data }) => expiresAt > now && data.began >= since)
      .map(({ sk, data }) => ({ id: sk, ...data }));
  }

  /** Those of a user who is gone. @param before ms since 1970: later ones are another user's of that name */
  async forget(user: string, before = Number.POSITIVE_INFINITY): Promise<void> {
    for (;;) {
      const items = await this.#store.query<SessionNote>({ pk: pkOf(user), limit: MAX_WRITES });
      const old = items.filter(({ data }) => data.began < before);
      await this.#drop(old);
      if (old.length < MAX_WRITES) return;
    }
  }

  async #dropOldest(user: string): Promise<void> {
    const most = LIVE_LIMITS.notesPerUser;
    const items = await this.#store.query({ pk: pkOf(user), limit: most + 4 * LOOK_EVERY });
    await this.#drop(items.slice(0, Math.max(0, items.length - most)));
  }

  async #drop(items: readonly Item<unknown>[]): Promise<void> {
    for (let at = 0; at < items.length; at += MAX_WRITES) {
      const some = items.slice(at, at + MAX_WRITES);
      await this.#store.transact(some.map(({ pk, sk }) => ({ delete: { pk, sk } })));
    }
  }
}

const pkOf = (user: string) => `live-sessions#${user}`;
