import { setTimeout as sleep } from "node:timers/promises";
import type { ContainerState, ResultOf } from "#protocol/operations.ts";
import type { ClaimedCommand, Outcome, PodReport } from "#protocol/wire.ts";
import type { PlayedAgent } from "./unik-ground.ts";

export const RUNNING: ContainerState = { running: { startedAt: "2026-11-20T12:00:00Z" } };
const MAKES = ["image.compile", "image.import", "volume.create"];
export const ended = (exitCode: number, reason: string, started = true): ContainerState => ({
  terminated: {
    exitCode,
    reason,
    startedAt: started ? "2026-11-20T12:00:00Z" : null,
    finishedAt: started ? "2026-11-20T12:00:01Z" : null,
  },
});

/** An edge that does what it is asked: images are made, pods run, and end when they are stopped. */
export class PlayedEdge {
  readonly did: ClaimedCommand[] = [];
  /** what the next command of an operation comes to, instead of success */
  readonly next = new Map<string, Outcome>();
  /** how runs are from their acceptance */
  starts: ContainerState = RUNNING;
  readonly #agent: PlayedAgent;
  readonly #runs = new Map<string, PodReport>();
  #isOpen = true;
  #loop: Promise<void> | undefined;

  constructor(agent: PlayedAgent) {
    this.#agent = agent;
  }

  start(): this {
    this.#loop = (async () => {
      while (this.#isOpen) {
        for (const command of await this.#agent.claim()) await this.#do(command);
        await sleep(20);
      }
    })();
    return this;
  }

  async stop(): Promise<void> {
    this.#isOpen = false;
    await this.#loop;
  }

  /** The latest run of a pod is now so. */
  async tell(pod: string, state: ContainerState, more: Partial<PodReport> = {}): Promise<void> {
    const report = { ...this.#runs.get(pod)!, ...more, state };
    this.#runs.set(pod, report);
    await this.#agent.pods([report]);
  }

  inputs(operation: string): unknown[] {
    return this.did.filter((one) => one.operation === operation).map(({ input }) => input);
  }

  async #export(command: ClaimedCommand): Promise<ResultOf<"image.export">> {
    const content = Buffer.from(`archive ${command.id}`);
    const { size, xxh64 } = await this.#agent.stage(command, content);
    return { content: { n: 0, size }, xxh64, architecture: "amd64" };
  }

  async #do(command: ClaimedCommand): Promise<void> {
    this.did.push(command);
    const { operation, user, id } = command;
    const input = command.input as { pod: string; image: string };
    const told = this.next.get(operation);
    this.next.delete(operation);
    if (told) {
      await this.#agent.report(command, told);
      return;
    }
    const result = MAKES.includes(operation) ? { bytes: 1_500_000, ports: [80] } : {};
    if (operation === "image.export") Object.assign(result, await this.#export(command));
    if (operation === "pod.stop") await this.tell(input.pod, ended(143, "Error"), { stopped: true });
    await this.#agent.report(command, { state: "succeeded", result });
    if (operation !== "pod.run") return;
    this.#runs.set(input.pod, {
      user,
      pod: input.pod,
      run: id,
      image: input.image,
      node: "",
      state: this.starts,
    });
    await this.tell(input.pod, this.starts, { address: "127.88.0.2" });
  }
}
