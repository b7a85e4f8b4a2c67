import { DatabaseSync } from "node:sqlite";
import type { ResourceUse } from "#agent/resources/resource.ts";
import type { Command } from "#lambdas/ledger/command.ts";
import type { WindowPlan } from "#protocol/contact-window.ts";
import { isTerminal } from "#protocol/state.ts";

/** What changed on the disk, volume by volume and image by image: by which command, in order. */
export type Effect = { resource: string; command: string };

/** One edge computer: its disk outlives each life of its agent. */
export class Computer {
  readonly name: string;
  #database: DatabaseSync | undefined;
  readonly effects: Effect[] = [];
  /** the plan of contact windows that its agent keeps */
  plan: WindowPlan | undefined;
  /** its operator has the agent rest outside of windows, and ask only so often (ms) */
  readonly outsideMs: number | undefined;
  /** deaths of its agent */
  deaths = 0;
  /** who uses what in the present life of the agent */
  #using = new Map<string, readonly ResourceUse[]>();

  constructor(name: string, outsideMs?: number) {
    this.name = name;
    this.outsideMs = outsideMs;
  }

  /** The agent's database: journal and what is being sent. */
  get database(): DatabaseSync {
    this.#database ??= new DatabaseSync(":memory:");
    return this.#database;
  }

  /** The history is over. */
  close(): void {
    this.#database?.close();
  }

  /** Its agent starts. */
  begin(): void {
    this.#using = new Map();
  }

  /** A command begins to use what it declared: nobody else may use what does not go with it. */
  use(id: string, uses: readonly ResourceUse[]): void {
    if (this.#using.has(id)) throw new Error(`${id} runs twice at the same time`);
    for (const mine of uses) {
      const others = [...this.#using].filter(([, theirs]) => theirs.some(({ key }) => key === mine.key));
      const beside = others.filter(([, theirs]) => {
        const use = theirs.find(({ key }) => key === mine.key)!;
        return !(use.mode === "read" && mine.mode === "read");
      });
      const most = mine.mode === "place" ? mine.places - 1 : 0;
      if (beside.length > most)
        throw new Error(`${id} uses ${mine.key} beside ${beside.map(([other]) => other)}`);
    }
    this.#using.set(id, uses);
  }

  giveBack(id: string, key: string): void {
    this.#using.set(
      id,
      (this.#using.get(id) ?? []).filter((use) => use.key !== key),
    );
  }

  end(id: string): void {
    this.#using.delete(id);
  }

  /**
   * The command takes effect. Doing it again is not seen by anybody as long as nothing else was done to the resource
   * and nobody was told that it has ended.
   */
  change(resource: string, id: string, known: Command): void {
    const mine = this.effects.filter((effect) => effect.resource === resource);
    const before = mine.some(({ command }) => command === id);
    if (before && mine.at(-1)!.command !== id)
      throw new Error(`${id} took effect on ${resource} again, after others`);
    // an operator, or another computer's start, has given it up: nobody knows what became of it
    const givenUp = known.failure?.code === "INTERRUPTED" || known.failure?.code === "UNSUPPORTED_OPERATION";
    if (isTerminal(known.state) && !givenUp)
      throw new Error(`${id} took effect after its end: ${known.state}`);
    if (!before) this.effects.push({ resource, command: id });
  }
}
