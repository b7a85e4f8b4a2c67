import { LIMITS } from "#protocol/limits.ts";
import { byteQuotaExceeded } from "#protocol/quota-exceeded.ts";
import { isTerminal, type State } from "#protocol/state.ts";
import type { Command } from "../ledger/command.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { unlessNoCommand } from "../ledger/refusals.ts";
import type { Item, Key, LedgerStore } from "../ports/ledger-store.ts";
import { optimistically } from "../ports/optimistically.ts";
import type { Staging } from "../ports/staging.ts";
import { stagedByCommand } from "./staged-bytes.ts";

/** An object that the agent sends, and the bytes that are kept for it until its command has ended. */
export type Transfer = {
  command: string;
  n: number;
  /** its name; absent: it comes whole */
  transfer?: string;
  /** the name of one that comes whole: what lies under it has that size, since its URL takes no other */
  whole?: string;
  size: number;
  /** bytes of every part but the last */
  partBytes?: number;
  /** id of its upload in staging; absent when its parts are objects of their own */
  upload?: string;
};

type Begun = Pick<Transfer, "partBytes" | "upload" | "transfer" | "whole">;

type Record = { transfers: Transfer[] };

/** Entries of others' commands above which those that have ended are looked up though there is room. */
const MOST_UNKNOWN = 8;

/** What was being sent for a user at a look. */
export type TransfersSeen = Item<Record> | undefined;

type Deps = {
  store: LedgerStore;
  staging: Staging;
  ledger: Ledger;
  quota: number;
  /** bytes of a user that live as long as their owner's record */
  kept: (user: string) => Promise<number>;
  now: () => number;
};

/**
 * What a user's commands may still bring down. What is being sent is written in one record per user, so that of
 * several at once each counts what the others were promised: parts under way are in no listing. An entry holds
 * until its command has ended: nobody has to release it. That is looked up when the record is next written and has
 * many of them, or leaves too little room; until then what has ended counts as well, which refuses nobody.
 */
export class TransferBudget {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** What is kept for object `n` of a command under that name. */
  async find(command: Command, n: number, transfer: string): Promise<Transfer | undefined> {
    return (await this.look(command.user))?.data.transfers.find(isOf(command, n, transfer));
  }

  /**
   * Keeps bytes for an object; one that is kept under the same name and size is found again.
   * @param seen a {@link look} at the user's from a moment ago, which the first try goes by
   * @param begin called when it is new and there is room, at most once
   * @returns what is kept now, and what was begun before and will never be anybody's content
   * @throws QUOTA_EXCEEDED
   */
  async reserve(
    command: Command,
    wanted: Pick<Transfer, "n" | "size" | "transfer">,
    seen: { item: TransfersSeen } | undefined,
    begin: () => Promise<Begun>,
  ): Promise<{ kept: Transfer; abandoned: Transfer[] }> {
    const { store, now } = this.#deps;
    let first = seen;
    let begun: Promise<Begun> | undefined;
    return optimistically(async () => {
      const { item } = first ?? { item: await this.look(command.user) };
      first = undefined;
      const before = item?.data.transfers ?? [];
      const known = wanted.transfer && before.find(isOf(command, wanted.n, wanted.transfer));
      if (known && known.size === wanted.size) return { kept: known, abandoned: [] };
      const replaced = before.filter((one) => one.command === command.id && one.n === wanted.n);
      const others = before.filter((one) => !replaced.includes(one));
      const fits = others.length <= MOST_UNKNOWN && (await this.#hasRoom(command, others, wanted.size));
      const states = fits ? undefined : await this.#states(command.user, others);
      const live = states ? others.filter(isLive(states)) : others;
      if (states && !(await this.#hasRoom(command, live, wanted.size))) throw byteQuotaExceeded();
      begun ??= begin();
      const kept = { command: command.id, n: wanted.n, size: wanted.size, ...(await begun) };
      const data: Record = { transfers: [...live, kept] };
      const expiresAt = now() + LIMITS.transferMs;
      await store.transact([{ put: { ...keyOf(command.user), expiresAt, data }, if: item?.rev ?? 0 }]);
      const failed = others.filter((one) => !live.includes(one) && states?.get(one.command) !== "succeeded");
      return { kept, abandoned: [...replaced, ...failed] };
    });
  }

  /** Bytes that may still come down for a command's user. */
  async left(command: Command): Promise<number> {
    const others = ((await this.look(command.user))?.data.transfers ?? []).filter(
      (one) => one.command !== command.id,
    );
    const states = await this.#states(command.user, others);
    return this.#left(command, others.filter(isLive(states)));
  }

  async #hasRoom(command: Command, live: Transfer[], size: number): Promise<boolean> {
    const left = await this.#left(command, live);
    return left > 0 && size <= left;
  }

  /**
   * What is kept is read before what is staged: what ends in between is counted twice, never not at all. What an
   * earlier try of the same command brought is written anew and does not count.
   */
  async #left(command: Command, live: Transfer[]): Promise<number> {
    const { staging, quota } = this.#deps;
    const [used, kept] = await Promise.all([
      stagedByCommand(staging, "downlink", command.user),
      this.#deps.kept(command.user),
    ]);
    used.delete(command.id);
    for (const [id, of] of Map.groupBy(live, (one) => one.command)) {
      const promised = of.reduce((sum, { size }) => sum + size, 0);
      used.set(id, Math.max(promised, used.get(id) ?? 0));
    }
    return used.values().reduce((rest, bytes) => rest - bytes, quota - kept);
  }

  async #states(user: string, transfers: Transfer[]): Promise<Map<string, State | undefined>> {
    const ids = [...new Set(transfers.map(({ command }) => command))];
    const states = await Promise.all(ids.map((id) => this.#stateOf(user, id)));
    return new Map(ids.map((id, i) => [id, states[i]]));
  }

  async #stateOf(user: string, id: string): Promise<State | undefined> {
    return (await this.#deps.ledger.command(user, id).catch(unlessNoCommand))?.state;
  }

  /** To be read with something else, in one request: what is being sent for a user. */
  look(user: string): Promise<TransfersSeen> {
    return this.#deps.store.get<Record>(keyOf(user));
  }
}

function keyOf(user: string): Key {
  return { pk: `transfers#${user}`, sk: "sent" };
}

function isLive(states: Map<string, State | undefined>) {
  return ({ command }: Transfer) => {
    const state = states.get(command);
    return state !== undefined && !isTerminal(state);
  };
}

function isOf(command: Command, n: number, transfer: string) {
  return (one: Transfer) => one.command === command.id && one.n === n && one.transfer === transfer;
}
