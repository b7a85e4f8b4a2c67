import { FEATURES } from "#protocol/older-agents.ts";
import type { ClaimedCommand, ClaimResponse, Outcome } from "#protocol/wire.ts";

/** What becomes of a request on its way. */
export type Fate = "ok" | "lost" | "answer lost";
/** @returns undefined when there was no answer */
export type Call = (path: string, body: object, fate: Fate) => Promise<unknown>;

const ROOM = { fpga: 2 };

/** The edge of a history: an agent with its files and its journal, which outlive it. */
export class ImageEdge {
  /** SHA-256 of every image that it holds */
  readonly files = new Map<string, string>();
  readonly #call: Call;
  /** what commands came to that the ground was not seen to take */
  readonly #journal = new Map<string, Outcome>();
  /** commands that it has; none while there is no agent */
  #has: ClaimedCommand[] = [];
  #epoch: number | undefined;
  #turn = 0;

  constructor(call: Call) {
    this.#call = call;
  }

  /** The agent is gone; what it had written stays. */
  die(): void {
    this.#has = [];
    this.#epoch = undefined;
  }

  /** An agent that has died starts again, and says what it holds before it takes any command. */
  async start(): Promise<void> {
    if (this.#epoch !== undefined) return;
    const about = { journal: "j", version: "t", features: Object.values(FEATURES) };
    const started = await this.#call("start", { ...about, operations: ["fpga.store", "fpga.delete"] }, "ok");
    if (!started) return;
    const { epoch } = started as { epoch: number };
    const held = [{ user: "ada", images: [...this.files.keys()] }];
    if (!(await this.#call("dialects/fpga/held", { epoch, held }, "ok"))) return;
    if (!(await this.#call("heartbeat", { epoch, nodes: [], usage: {}, free: 1e12 }, "ok"))) return;
    this.#epoch = epoch;
    this.#turn = 0;
  }

  async claim(fate: Fate): Promise<void> {
    const epoch = this.#epoch;
    if (epoch === undefined) return;
    const have = this.#has.map(({ id }) => id);
    const room = { fpga: Math.max(0, ROOM.fpga - have.length) };
    const answer = await this.#call("claim", { epoch, turn: ++this.#turn, room, have }, fate);
    if (!answer) return;
    const { resumed, commands } = answer as ClaimResponse;
    this.#has.push(...[...resumed, ...commands].filter(({ id }) => !have.includes(id)));
  }

  /** Carries out the oldest command that it has, once: a later agent tells what an earlier one has journalled. */
  carryOut(isFull: boolean): void {
    const command = this.#has.find(({ id }) => !this.#journal.has(id));
    if (!command) return;
    const { image, sha256, bytes } = command.input as { image: string; sha256: string; bytes: number };
    if (command.operation === "fpga.delete") {
      this.files.delete(image);
      this.#journal.set(command.id, { state: "succeeded", result: {} });
    } else if (isFull) {
      const failure = { code: "STORAGE_FULL", message: "the disk is full" } as const;
      this.#journal.set(command.id, { state: "failed", failure });
    } else {
      this.files.set(image, sha256);
      this.#journal.set(command.id, { state: "succeeded", result: { sha256, bytes } });
    }
  }

  async report(fate: Fate): Promise<void> {
    const command = this.#has.find(({ id }) => this.#journal.has(id));
    if (!command || this.#epoch === undefined) return;
    const { user, id, lane } = command;
    const outcome = this.#journal.get(id);
    const answer = await this.#call("report", { epoch: this.#epoch, user, command: id, lane, outcome }, fate);
    if (answer) this.#has = this.#has.filter((other) => other !== command);
  }

  /** One of its files is gone, which an agent notices at its start. */
  lose(pick: number): string | undefined {
    const held = [...this.files.keys()];
    const image = held[pick % Math.max(1, held.length)];
    if (image !== undefined) this.files.delete(image);
    this.die();
    return image;
  }
}
