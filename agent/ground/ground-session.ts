import type { Logger } from "pino";
import type * as z from "zod";
import type { WindowPlan } from "#protocol/contact-window.ts";
import type { EdgeOffer } from "#protocol/edge-offer.ts";
import type { LiveWish } from "#protocol/live.ts";
import type { PoolRequest, PoolResponse, WantedPools } from "#protocol/pool-wire.ts";
import type * as wire from "#protocol/wire.ts";
import type { GroundPort } from "./ground-client.ts";

type WithoutEpoch<S extends z.ZodType> = Omit<z.input<S>, "epoch">;

/** What a progress report says about one command. */
export type CommandNews = z.input<typeof wire.progressManyRequest>["commands"][number];

/** What the ground wishes of the agent beside commands, in its answers to claims and heartbeats. */
export type GroundWishes = { live?: LiveWish | undefined; pools?: number | undefined };

/** How many new commands of each lane are wanted, and which are here already. */
export type ClaimWish = { room: Record<string, number>; have: readonly string[] };

/**
 * The agent's session with the ground: the one place that holds the epoch, knows the lanes, and counts the claims.
 * A ground of version 0.2 or older names no lanes; towards it the session speaks as agents of that version did, and
 * what it answers is put into today's shapes.
 */
export class GroundSession {
  readonly ground: GroundPort;
  readonly #log: Pick<Logger, "warn"> | undefined;
  #epoch = 0;
  #edge = "";
  #lanes: Readonly<Record<string, number>> | undefined;
  #turn = 0;
  #at: number | undefined;
  readonly #listeners: ((wishes: GroundWishes) => void)[] = [];

  constructor(ground: GroundPort, log?: Pick<Logger, "warn">) {
    this.ground = ground;
    this.#log = log;
  }

  /**
   * Begins a new epoch: what earlier sessions of the edge say is refused from now on.
   * @throws GroundUnavailable; PerigeeError of the ground
   */
  async start(hello: z.input<typeof wire.startRequest>): Promise<void> {
    const { epoch, edge, lanes, at } = await this.ground.start(hello);
    this.#epoch = epoch;
    this.#edge = edge;
    this.#at = at;
    this.#turn = 0;
    if (lanes) this.#lanes = lanes;
    else this.#withoutLanes();
  }

  /** 0 before {@link start}. */
  get epoch(): number {
    return this.#epoch;
  }

  get edge(): string {
    return this.#edge;
  }

  /** When it began by the ground's clock, ms since 1970; an older ground does not say. */
  get beganAt(): number | undefined {
    return this.#at;
  }

  /** Width of each lane, as the ground last said; undefined: it knows of none, and gives one command at a time. */
  get lanes(): Readonly<Record<string, number>> | undefined {
    return this.#lanes;
  }

  /**
   * Asks for commands. Without lanes the wish is for one command, to be asked for when there is none.
   * @throws GroundUnavailable; PerigeeError, STALE_EPOCH among them
   */
  async claim({ room, have }: ClaimWish): Promise<wire.ClaimResponse> {
    if (this.#lanes) {
      this.#turn += 1;
      const asked = { epoch: this.#epoch, room, turn: this.#turn, have: [...have] };
      const answer = await this.ground.claimMany(asked);
      if (answer) {
        this.#lanes = answer.lanes;
        this.#told(answer);
        return answer;
      }
      this.#withoutLanes();
    }
    const command = await this.ground.claim(this.#epoch);
    return { resumed: [], complete: true, commands: command ? [command] : [], more: false, lanes: {} };
  }

  /** Tells how far commands are. @returns ids of those that should stop, and of them those that should at once */
  async progress(commands: readonly CommandNews[]): Promise<z.infer<typeof wire.progressManyResponse>> {
    if (this.#lanes) return this.ground.progressMany({ epoch: this.#epoch, commands: [...commands] });
    const cancel: string[] = [];
    for (const { user, command, progress } of commands) {
      const told = { epoch: this.#epoch, user, command, ...(progress && { progress }) };
      if (await this.ground.progress(told)) cancel.push(command);
    }
    return { cancel };
  }

  /** @returns whether another command waits */
  report(report: WithoutEpoch<typeof wire.reportRequest>): Promise<boolean> {
    return this.ground.report({ epoch: this.#epoch, ...report });
  }

  async heartbeat(
    beat: WithoutEpoch<typeof wire.heartbeatRequest>,
  ): Promise<z.infer<typeof wire.heartbeatResponse>> {
    const answer = await this.ground.heartbeat({ epoch: this.#epoch, ...beat });
    this.#told(answer);
    return answer;
  }

  /** Tells `listener` what each answer to a claim or heartbeat wishes. */
  onWishes(listener: (wishes: GroundWishes) => void): void {
    this.#listeners.push(listener);
  }

  pods(pods: wire.PodReport[]): Promise<void> {
    return this.ground.pods({ epoch: this.#epoch, pods });
  }

  /** The wanted pools of runners of this edge. */
  wantedPools(): Promise<WantedPools> {
    return this.ground.wantedPools(this.#epoch);
  }

  /** The plan of contact windows of this edge. @throws NOT_FOUND without one */
  windowPlan(): Promise<WindowPlan> {
    return this.ground.windowPlan(this.#epoch);
  }

  /** Reports changes of the edge's runners. @returns changes of them on the ground */
  tellPools(told: Omit<PoolRequest, "epoch">): Promise<PoolResponse> {
    return this.ground.tellPools({ epoch: this.#epoch, ...told });
  }

  /** @throws NOT_FOUND of a ground that takes none */
  inventory(report: wire.InventoryReport): Promise<void> {
    return this.ground.inventory({ epoch: this.#epoch, ...report });
  }

  /** @throws NOT_FOUND of a ground that takes none */
  offer(offer: EdgeOffer): Promise<void> {
    return this.ground.offer({ epoch: this.#epoch, offer });
  }

  /** @throws NOT_FOUND of a ground that has no images for FPGAs */
  fpgaHeld(piece: Omit<WithoutEpoch<typeof wire.fpgaHeldRequest>, "at">): Promise<void> {
    const at = this.#at !== undefined && { at: this.#at };
    return this.ground.fpgaHeld({ epoch: this.#epoch, ...at, ...piece });
  }

  /** @throws NOT_FOUND of a ground that takes none */
  commandLogs(chunk: WithoutEpoch<typeof wire.commandLogsQuery>, data: Uint8Array): Promise<void> {
    return this.ground.commandLogs(
      { epoch: this.#epoch, ...chunk } as z.input<typeof wire.commandLogsQuery>,
      data,
    );
  }

  logs(
    chunk: WithoutEpoch<typeof wire.logsQuery>,
    data: Uint8Array,
  ): Promise<z.infer<typeof wire.logsResponse>> {
    return this.ground.logs({ epoch: this.#epoch, ...chunk } as z.input<typeof wire.logsQuery>, data);
  }

  #told({ live, pools }: GroundWishes): void {
    for (const listener of this.#listeners) listener({ live, pools });
  }

  #withoutLanes(): void {
    this.#lanes = undefined;
    this.#log?.warn("the ground knows no lanes (version 0.2 or older): it gives one command at a time");
  }
}
