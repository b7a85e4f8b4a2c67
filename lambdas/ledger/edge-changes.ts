import { setTimeout as sleep } from "node:timers/promises";
import { LIMITS } from "#protocol/limits.ts";
import { Serial } from "#protocol/serial.ts";
import { ConditionFailed, type Item, type LedgerStore, type Write } from "../ports/ledger-store.ts";
import type { Command } from "./command.ts";
import { type EdgeState, NEW_EDGE } from "./edge-state.ts";
import { keys } from "./keys.ts";
import { notFound } from "./refusals.ts";

/** What one attempt of a change wants to write beside the edge's state. */
export type Change<T> = { state?: EdgeState; writes?: Write[]; value: T };

/**
 * Changes of an edge's record and its commands': each is one transaction, conditional on the revisions that were
 * read. A lost race is read and decided again; only what an attempt throws is an error.
 */
export class EdgeChanges {
  readonly #store: LedgerStore;
  /** Calls of this process take turns per edge, so that they do not lose races against each other. */
  readonly #turns = new Serial();

  constructor(store: LedgerStore) {
    this.#store = store;
  }

  /** `read` is what an attempt needs beside the edge's state: asked for together, they are one round trip. */
  async change<T, R>(
    edge: string,
    read: () => Promise<R>,
    attempt: (state: EdgeState, read: R, tries: number) => Promise<Change<T>>,
  ): Promise<T> {
    return this.#turns.run(edge, async () => {
      for (let tries = 0; ; tries++) {
        const [item, beside] = await Promise.all([this.#store.get<EdgeState>(keys.edgeState(edge)), read()]);
        const change = await attempt(item?.data ?? NEW_EDGE, beside, tries);
        const writes = [...(change.writes ?? [])];
        if (change.state) {
          writes.unshift({ put: { ...keys.edgeState(edge), data: change.state }, if: item?.rev ?? 0 });
        }
        if (writes.length === 0) return change.value;
        try {
          await this.#store.transact(writes);
          return change.value;
        } catch (error) {
          if (!(error instanceof ConditionFailed) || tries >= 100) throw error;
          await sleep(Math.random() * Math.min(200, 2 ** tries));
        }
      }
    });
  }

  /** One conditional change of an edge's record and a command's. */
  async changeCommand(
    target: Pick<Command, "edge" | "user" | "id">,
    decide: (state: EdgeState, command: Command) => { state?: EdgeState; command: Command },
  ): Promise<Command> {
    const read = () => this.item(target.user, target.id);
    return this.change(target.edge, read, async (state, item) => {
      if (!item || item.data.edge !== target.edge) throw notFound(target.id);
      const decided = decide(state, item.data);
      const writes = decided.command === item.data ? [] : [this.put(decided.command, item.rev)];
      return { writes, value: decided.command, ...(decided.state && { state: decided.state }) };
    });
  }

  /** A command as it stands. */
  item(user: string, id: string): Promise<Item<Command> | undefined> {
    return this.#store.get<Command>(keys.command(user, id));
  }

  /** As {@link item}. @throws COMMAND_NOT_FOUND */
  async command(user: string, id: string): Promise<Command> {
    const item = await this.item(user, id);
    if (!item) throw notFound(id);
    return item.data;
  }

  /** The write of a command, on condition that it has revision `rev`. */
  put(command: Command, rev: number): Write {
    const ends = command.endedAt && { expiresAt: command.endedAt + LIMITS.historyMs };
    return { put: { ...keys.command(command.user, command.id), ...ends, data: command }, if: rev };
  }
}
