import { setTimeout as sleep } from "node:timers/promises";
import { unlessNoCommand } from "../../ledger/refusals.ts";
import { ConditionFailed, type Item, type Key, type Write } from "../../ports/ledger-store.ts";
import type { DialectCore } from "../core.ts";
import type { Owner } from "./owner.ts";
import { keys } from "./records.ts";

/** ms for which an answer that nobody got is kept for who asks again. */
export const KEPT_MS = 60_000;
/** The same where nobody can tell whether an answer was got, from the command's end. */
const BLIND_MS = 5_000;
/** ms: longer than a function runs */
const BLIND_KEPT_MS = 15 * 60_000;
/** More tries for a write that the store has not taken. */
const TRIES = 2;
/** A process says so often that its caller's connection is open. */
const RENEW_MS = 3_000;
/** One that has said nothing for so long is gone, and its connections with it. */
const QUIET_MS = 10_000;
/** How often another process' call is looked at: less often the longer it lasts. */
const POLL_MS = { first: 100, most: 2_000 };

/** The last call that changed an object, until somebody got its answer. */
export type RepeatRecord = {
  /** of the request */
  digest: string;
  /** absent: it changed records of the ground's alone, and is done */
  command?: string;
  /** which process answers it, and which of its calls it is */
  by: string;
  call: string;
  /** when its caller's connection was last known to be open, or was cut */
  at: number;
  isCut?: true;
  /** nobody can tell whether its answer is got */
  isBlind?: true;
};

type Parts = {
  core: Pick<DialectCore, "records" | "commands" | "now" | "log">;
  owner: Owner;
  object: string;
  digest: string;
  by: string;
  call: string;
  isBlind: boolean;
  /** default: {@link QUIET_MS} */
  quietMs?: number;
  /** Told as it begins to write to the store by itself, and as that is done. */
  writing?: (repeat: RepeatOf, isWriting: boolean) => void;
};

/**
 * What the ground's store holds of a call, for repeats that come to another process. It is written with what the call
 * changes, and deleted when its answer was got.
 */
export class RepeatOf {
  readonly #parts: Parts;
  readonly #key: Key;
  #rev = 0;
  #pending: RepeatRecord | undefined;
  /** as it was written, while it is this call's */
  #held: RepeatRecord | undefined;
  #delivered: boolean | undefined;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#key = keys.repeat(parts.owner, parts.object);
  }

  /**
   * The call that this one repeats: the last on its object, the same, whose caller went without the answer. While
   * another process may still deliver it, this waits.
   */
  async earlier(): Promise<RepeatRecord | undefined> {
    const { core, digest, by, isBlind, quietMs = QUIET_MS } = this.#parts;
    let pause = POLL_MS.first;
    for (let waited = 0, rev = 0; ; waited += pause) {
      const item = await this.#read();
      if (!item || item.data.digest !== digest) return undefined;
      const { data } = item;
      if (data.isBlind) return (await this.#isFresh(data)) ? data : undefined;
      // what was called here is known here
      if (data.by === by || core.now() - data.at > KEPT_MS) return undefined;
      if (item.rev !== rev) waited = 0;
      rev = item.rev;
      if (data.isCut || waited >= quietMs) {
        if (isBlind || (await this.#takeOver(item))) return data;
      }
      pause = Math.min(POLL_MS.most, pause * 1.2);
      await sleep(pause);
    }
  }

  /** Written with what the call changes. */
  write(command?: string): Write {
    const { core, digest, by, call, isBlind } = this.#parts;
    const at = core.now();
    const data: RepeatRecord = {
      ...{ digest, by, call, at },
      ...(command !== undefined && { command }),
      ...(isBlind && { isBlind: true as const }),
    };
    this.#pending = data;
    return this.#put(data, isBlind ? BLIND_KEPT_MS : KEPT_MS);
  }

  /** It was written: from now on its caller's connection is told of. */
  written(): void {
    this.#held = this.#pending;
    this.#rev += 1;
    if (this.#parts.isBlind) return;
    clearInterval(this.#timer);
    if (this.#delivered !== undefined) {
      this.#close();
      return;
    }
    const renew = () => {
      this.#change(() => this.#put({ ...this.#held!, at: this.#parts.core.now() }));
    };
    this.#timer = setInterval(renew, RENEW_MS).unref();
  }

  /** A caller of it got its answer, or went without. */
  closed(isDelivered: boolean): void {
    this.#delivered ||= isDelivered;
    clearInterval(this.#timer);
    if (this.#held) this.#close();
  }

  /** Is it still the last call on its object, with an answer that nobody got? */
  async isLast(): Promise<boolean> {
    await this.settled();
    return this.#held !== undefined && (await this.#read())?.data.call === this.#parts.call;
  }

  /** Resolves when what it has begun to write is written. */
  settled(): Promise<void> {
    return this.#writing;
  }

  #close(): void {
    if (this.#parts.isBlind) return;
    const at = this.#parts.core.now();
    this.#change(() =>
      this.#delivered ? { delete: this.#key } : this.#put({ ...this.#held!, at, isCut: true }),
    );
  }

  /** Writes it as long as it is this call's: one write after the other. */
  #change(write: () => Write): void {
    const { core, call } = this.#parts;
    const attempt = async () => {
      for (let tries = 0; this.#held; ) {
        try {
          await core.records.transact([{ ...write(), if: this.#rev }]);
          this.#rev += 1;
          return;
        } catch (error) {
          if (!(error instanceof ConditionFailed)) {
            if (++tries > TRIES) throw error;
            await sleep(POLL_MS.first);
          } else if ((await this.#read())?.data.call !== call) this.#held = undefined;
        }
      }
    };
    const { writing } = this.#parts;
    writing?.(this, true);
    const done = this.#writing.then(attempt).catch((error: unknown) => {
      core.log.warn({ err: error }, "whether an answer was got could not be noted");
    });
    this.#writing = done;
    void done.then(() => {
      if (this.#writing === done) writing?.(this, false);
    });
  }

  #put(data: RepeatRecord, keptMs = KEPT_MS): Write & { put: object } {
    return { put: { ...this.#key, expiresAt: this.#parts.core.now() + keptMs, data } };
  }

  async #read(): Promise<Item<RepeatRecord> | undefined> {
    const item = await this.#parts.core.records.get<RepeatRecord>(this.#key);
    this.#rev = item?.rev ?? 0;
    return item;
  }

  /** From now on this call's caller is the one who may get its answer. */
  async #takeOver({ rev, data: { isCut: _, ...data } }: Item<RepeatRecord>): Promise<boolean> {
    const { core, by, call } = this.#parts;
    const mine: RepeatRecord = { ...data, by, call, at: core.now() };
    try {
      await core.records.transact([{ ...this.#put(mine), if: rev }]);
    } catch (error) {
      if (error instanceof ConditionFailed) return false;
      throw error;
    }
    this.#pending = mine;
    this.written();
    return true;
  }

  async #isFresh({ command: id, at }: RepeatRecord): Promise<boolean> {
    const { core, owner } = this.#parts;
    if (id === undefined) return core.now() - at <= BLIND_MS;
    // a reservation that came to nothing leaves no command
    const command = await core.commands.command(owner.user, id).catch(unlessNoCommand);
    if (!command) return false;
    return command.endedAt === undefined || core.now() - command.endedAt <= BLIND_MS;
  }
}
