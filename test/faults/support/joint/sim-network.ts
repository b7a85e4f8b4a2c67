import * as z from "zod";
import { GroundUnavailable } from "#agent/ground/ground-client.ts";
import { isErrorCode, PerigeeError } from "#protocol/errors.ts";
import { SimProcess } from "./sim-process.ts";
import type { VirtualTime } from "./virtual-time.ts";

/**
 * What becomes of a call: it never arrives; it takes effect and its answer is lost; it arrives long after the caller has
 * given up.
 */
export type Fault = "lost" | "answer lost" | "late";

/** The agent gives a call up after this (ms), as GroundClient does. */
const CALL_MS = 30_000;

/** What calls reach: a life of the ground. */
export type Reached = {
  readonly process: SimProcess;
  /** A request of an agent; `newest`: the epoch that was issued last when it came. */
  request(path: string, body: string): Promise<{ status: number; text: string; newest: number }>;
};

/** The way between agents and ground: calls take time, come in any order, and get lost. */
export class SimNetwork<Ground extends Reached> {
  readonly #time: VirtualTime;
  readonly #ground: () => Ground | undefined;
  /** what becomes of the next calls, by path */
  readonly faults = new Map<string, Fault[]>();
  /** of a hundred calls so many go wrong by chance */
  percentLost = 0;
  /** nothing comes through until then (ms) */
  cutUntil = 0;
  /** what is delivered belongs to no process */
  readonly #wire = new SimProcess("network");

  constructor(time: VirtualTime, ground: () => Ground | undefined) {
    this.#time = time;
    this.#ground = ground;
  }

  /** Calls `work` at the ground for the process that asks. @throws GroundUnavailable */
  call<T>(name: string, work: (ground: Ground) => Promise<T>, limitMs = CALL_MS): Promise<T> {
    const caller = SimProcess.current;
    const time = this.#time;
    const fault = this.#fault(name);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    // a process that is dead hears nothing
    const heard = (tell: () => void) => () => caller?.within(() => caller.alive && tell());
    const answer = (tell: () => void) => time.after(time.between(1, 20), heard(tell), this.#wire);
    const broken = () => reject(new GroundUnavailable("the connection broke"));
    const limit = time.after(limitMs, () => broken());
    promise.then(
      () => time.cancel(limit),
      () => time.cancel(limit),
    );
    const deliver = () => {
      const ground = this.#ground();
      if (fault === "lost" || !ground?.process.alive || time.now < this.cutUntil) return answer(broken);
      ground.process.death.then(() => answer(broken));
      const done = ground.process.within(() => work(ground));
      return done.then(
        (value) => answer(() => (fault || time.now < this.cutUntil ? broken() : resolve(value))),
        (error) => answer(() => (fault ? broken() : reject(error))),
      );
    };
    time.after(
      fault === "late" ? CALL_MS + time.between(1, 30_000) : time.between(1, 20),
      deliver,
      this.#wire,
    );
    return promise;
  }

  /**
   * One request of an agent, as JSON over HTTP.
   * @param ask how it is made, where it is not `body` that is posted
   * @throws as GroundClient does
   */
  async request(
    path: string,
    body: { epoch?: number },
    onOk: (epoch: number) => void,
    ask: (ground: Ground, sent: string) => ReturnType<Reached["request"]> = (ground, sent) =>
      ground.request(path, sent),
  ): Promise<unknown> {
    const sent = JSON.stringify(body);
    const answer = await this.call(path, async (ground) => {
      const { status, text, newest } = await ask(ground, sent);
      if (status < 300 && body.epoch !== undefined && body.epoch < newest) onOk(body.epoch);
      return { status, text };
    });
    const json: unknown = answer.text === "" ? undefined : JSON.parse(answer.text);
    if (answer.status < 300) return json;
    const { error, message } = z.object({ error: z.string(), message: z.string() }).parse(json);
    if (isErrorCode(error) && error !== "INTERNAL_ERROR") throw new PerigeeError(error, message);
    throw new Error(`the ground answered ${answer.status}: ${answer.text}`);
  }

  #fault(name: string): Fault | undefined {
    const ordered = this.faults.get(name)?.shift();
    if (ordered || this.#time.between(1, 100) > this.percentLost) return ordered;
    return (["lost", "answer lost", "late"] as const)[this.#time.between(0, 2)];
  }
}
