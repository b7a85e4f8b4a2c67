import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import { OPERATIONS } from "#protocol/operations.ts";
import { isTerminal } from "#protocol/state.ts";
import type { Command } from "../ledger/command.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { unreachable } from "../ledger/refusals.ts";
import type { Changes, Listening } from "./changes.ts";
import { FirstLooks } from "./first-looks.ts";

export type WaitingOptions = {
  /** a waiting command unclaimed for this long is withdrawn (ms) */
  withdrawMs: number;
  /** a waiter stays this long after a running command's deadline (ms) */
  graceMs: number;
  /** no wait is longer than this (ms) */
  maxWaitMs: number;
  /** ms that the process has for its request (default: without end): a wait ends while there is time to answer */
  timeLeftMs: () => number;
  /** how often the ledger is asked when nothing rings (ms), at the least */
  pollMs: number;
  /** the ground's clock, ms since 1970 */
  now: () => number;
  /**
   * Where changes are made by other processes, no ring tells: then the ledger is asked sooner, `first` ms after
   * the command was seen last and after a quarter of the time waited so far from then on, up to `pollMs`. A
   * command that is done at once is looked at first when such ones were done before (FirstLooks).
   */
  eager?: { first: number };
};

export const WAITING_DEFAULTS: WaitingOptions = {
  withdrawMs: LIMITS.withdrawMs,
  graceMs: 10_000,
  maxWaitMs: 2 * 60 * 60_000,
  timeLeftMs: () => Number.POSITIVE_INFINITY,
  pollMs: 1000,
  now: Date.now,
};

/** Between a look that came too soon and the next (ms), at the least. */
const LEAST_PAUSE_MS = 10;

/** What a wait has looked so far, which says when it looks next. */
type Looks = {
  /** when it began */
  start: number;
  /** ms from then to the first look; absent: not learned */
  first?: number | undefined;
  /** ms from then to the last two looks */
  at: number[];
};

/** A wait that is under way: `bell` has been listening since the command was as it is passed. */
type Going = { looks?: Looks; bell?: Listening };

/** ms kept for the answer where the process's time is limited. */
const ANSWER_MS = 10_000;

/** Waits on commands, by this process's monotonic clock. Whoever hangs up cancels nothing. */
export class Waiting {
  readonly #ledger: Ledger;
  readonly #changes: Changes;
  readonly #options: WaitingOptions;
  readonly #firstLooks: FirstLooks | undefined;

  constructor(ledger: Ledger, changes: Changes, options: Partial<WaitingOptions> = {}) {
    this.#ledger = ledger;
    this.#changes = changes;
    this.#options = { ...WAITING_DEFAULTS, ...options };
    const { eager, pollMs } = this.#options;
    if (eager) this.#firstLooks = new FirstLooks({ start: eager.first, most: pollMs });
  }

  /** Waits up to `ms` for the end of a command; returns it as it then stands. */
  atMost(command: Command, ms: number): Promise<Command> {
    const until = performance.now() + this.#most(ms);
    return this.#loop(command, () => performance.now() >= until, until);
  }

  /** Waits up to `ms` until the command differs from `command` in state, progress or attempts. */
  async forChange(command: Command, ms: number): Promise<Command> {
    const until = performance.now() + this.#most(ms);
    const before = fingerprint(command);
    return this.#loop(command, (now) => fingerprint(now) !== before || performance.now() >= until, until);
  }

  /**
   * The wait of a call whose command took a place at once: unclaimed for 15 s it is withdrawn. It is to begin in the
   * turn of the event loop in which the command was written or read: it is not read again.
   * @throws EM_UNREACHABLE when it was withdrawn
   */
  async forPlace(command: Command): Promise<Command> {
    const { operation } = command;
    const start = performance.now();
    const begun = this.#options.now();
    const looks: Looks = { start, first: this.#firstLooks?.of(operation), at: [] };
    using bell = this.#changes.listen(command.id);
    const claimed = await this.#loop(
      command,
      (now) => now.state !== "queued" || performance.now() - start >= this.#options.withdrawMs,
      start + this.#options.withdrawMs,
      { looks, bell },
    );
    if (claimed.state === "queued") {
      const ended = await this.#ledger.endUnclaimed(claimed, "expired");
      if (ended.state === "expired") throw unreachable();
      return this.#untilDeadline(ended);
    }
    const ended = await this.#untilDeadline(claimed, { looks, bell });
    const [at, tooSoon] = looks.at.toReversed();
    if (at !== undefined && ended.endedAt !== undefined) {
      this.#firstLooks?.found(operation, { at, tooSoon, ended: ended.endedAt - begun });
    }
    return ended;
  }

  /**
   * The wait of a call whose command queues. Where the edge does not take it although nothing is ahead of it in its
   * lane, it is withdrawn, or (a staged uplink, which stays) returned as it stands; so is what contact is lost for,
   * or is past the deadline of the work, or is held.
   * @param how.patient it is ahead of its work for as long as the edge is in contact, and withdrawn with whatever ends
   * that wait: it is not returned while it is queued
   * @throws EM_UNREACHABLE when it was withdrawn
   */
  async inQueue(
    command: Command,
    { withdraw, patient = false }: { withdraw: boolean; patient?: boolean },
  ): Promise<Command> {
    const { withdrawMs } = this.#options;
    const start = performance.now();
    const end = start + this.#most(patient ? Number.POSITIVE_INFINITY : this.#workMs(command));
    let current = command;
    let freeSince: number | undefined;
    while (current.state === "queued") {
      const [{ ahead, isFree, held }, inContact] = await Promise.all([
        this.#ledger.waits(command),
        this.#ledger.inContact(command.edge),
      ]);
      // held, or its lane is: nobody knows until when
      const isHeld = held !== undefined || current.heldAt !== undefined;
      if (isHeld && !withdraw) return current;
      const mayGo = ahead === 0 || (patient && isFree);
      freeSince = mayGo && !isHeld ? (freeSince ?? performance.now()) : undefined;
      const untaken = freeSince !== undefined && performance.now() - freeSince >= withdrawMs;
      const over = performance.now() >= end;
      if (withdraw && (untaken || (patient && (over || !inContact)))) {
        current = await this.#ledger.endUnclaimed(current, "expired");
        if (current.state === "expired") throw unreachable();
        break;
      }
      // Without contact nothing is known of the queue; one that can be withdrawn waits for its turn.
      if (untaken || over || (!inContact && !withdraw)) return current;
      const until = performance.now() + this.#options.pollMs;
      current = await this.#loop(
        current,
        (now) => now.state !== "queued" || performance.now() >= until,
        until,
        { looks: { start, at: [] } },
      );
    }
    return this.#untilDeadline(current);
  }

  /** The deadline of the work counts from the claim, or from the grant where the agent tells of grants. */
  async #untilDeadline(command: Command, going?: Going): Promise<Command> {
    if (isTerminal(command.state)) return command;
    const last = performance.now() + this.#most(Number.POSITIVE_INFINITY);
    let until = last;
    const isOver = (now: Command) => {
      if (until === last && (!now.grants || now.grantedAt !== undefined)) {
        until = Math.min(last, performance.now() + this.#workMs(now));
      }
      return performance.now() >= until;
    };
    isOver(command);
    return this.#loop(command, isOver, () => until, going);
  }

  #most(ms: number): number {
    const { maxWaitMs, timeLeftMs } = this.#options;
    return Math.min(ms, maxWaitMs, Math.max(0, timeLeftMs() - ANSWER_MS));
  }

  #workMs(command: Command): number {
    return OPERATIONS[command.operation].deadline * 1000 + this.#options.graceMs;
  }

  async #loop(
    command: Command,
    done: (now: Command) => boolean,
    until: number | (() => number),
    { looks = { start: performance.now(), at: [] }, bell }: Going = {},
  ): Promise<Command> {
    using own = bell ? undefined : this.#changes.listen(command.id);
    const changes = bell ?? own!;
    const look = () => this.#ledger.command(command.user, command.id);
    // Where nobody listened until now, a change may have been missed; where no changes are told, the next look finds it.
    let now = bell || this.#options.eager ? command : await look();
    for (;;) {
      if (isTerminal(now.state) || done(now)) return now;
      const end = typeof until === "number" ? until : until();
      const told = await changes.next(Math.max(1, Math.min(this.#pause(looks), end - performance.now())));
      looks.at = [...looks.at.slice(-1), performance.now() - looks.start];
      now = told ?? (await look());
    }
  }

  /** ms until the ledger is asked next. */
  #pause({ start, first, at }: Looks): number {
    const { eager, pollMs } = this.#options;
    if (!eager) return pollMs;
    const quarter = (performance.now() - start) / 4;
    if (first === undefined) return Math.min(pollMs, Math.max(eager.first, quarter));
    return Math.min(pollMs, at.length === 0 ? first : Math.max(LEAST_PAUSE_MS, quarter));
  }
}

function fingerprint(command: Command): string {
  const { state, attempts, progress, waitsFor, cancelRequestedAt, heldAt } = command;
  return JSON.stringify([state, attempts, progress, waitsFor, cancelRequestedAt, heldAt]);
}

/** The failure of a command that ended without an answer of its own. */
export function endedFailure(command: Command): PerigeeError {
  return command.state === "cancelled"
    ? new PerigeeError("CANCELLED", "The command was cancelled")
    : new PerigeeError("EXPIRED", "The command was not taken by the edge and has expired");
}
