import { join } from "node:path";
import type { OperationHandlers } from "#agent/operation.ts";
import { makeWorld, gate as newGate, type UserClient, type World } from "#test/support/world.ts";
import { FaultyProxy } from "./faulty-proxy.ts";
import { type InProcessAgent, type InProcessAgentOptions, startAgent } from "./in-process-agent.ts";

/** A ground, its user Alice, and agents that reach it only through a proxy which loses, cuts and holds. */
export class NetworkRig {
  world!: World;
  alice!: UserClient;
  proxy!: FaultyProxy;
  /** ms that the ground's clock is ahead */
  clock = 0;
  readonly #agents: InProcessAgent[] = [];
  readonly #gates: ReturnType<typeof newGate>[] = [];

  async begin(options: Parameters<typeof makeWorld>[0] = {}): Promise<void> {
    this.clock = 0;
    this.world = await makeWorld({ now: () => Date.now() + this.clock, freeFloorBytes: 0, ...options });
    this.alice = await this.world.user("alice");
    this.proxy = await FaultyProxy.start(this.world.url);
  }

  /** Opened at the end of a test, whatever happened in it. */
  gate(): ReturnType<typeof newGate> {
    const made = newGate();
    this.#gates.push(made);
    return made;
  }

  async end(): Promise<void> {
    for (const made of this.#gates.splice(0)) made.open();
    this.proxy.release();
    await this.proxy.close();
    for (const agent of this.#agents.splice(0)) await agent.stop();
    await this.world.close();
  }

  async start(
    handlers: Partial<OperationHandlers>,
    options: Partial<InProcessAgentOptions> = {},
  ): Promise<InProcessAgent> {
    const agent = await startAgent({
      url: this.proxy.url,
      token: this.world.agentToken,
      state: join(this.world.data, "agent"),
      handlers,
      ...options,
    });
    this.#agents.push(agent);
    return agent;
  }

  destroy(filepath: string, headers: Record<string, string> = {}): Promise<Response> {
    const body = new URLSearchParams({ filepath });
    return this.alice.fetch("/em/files/delete", { method: "POST", headers, body });
  }

  command(id: string) {
    return this.world.ground.ledger.command("alice", id);
  }
}

/** An edge's handlers, and what takes effect through them, in order. */
export function edge() {
  const effects: string[] = [];
  const files: [string, string][] = [];
  const handlers: Partial<OperationHandlers> = {
    "volume.uplink": async ({ input, manifest, fetch }) => {
      for (const { n, path } of await manifest()) {
        const chunks: Buffer[] = [];
        for await (const chunk of await fetch(n)) chunks.push(chunk as Buffer);
        files.push([path, Buffer.concat(chunks).toString()]);
      }
      effects.push("uplink");
      return { count: input.count, bytes: input.bytes };
    },
    "file.delete": async ({ input }) => {
      effects.push(`delete ${input.path}`);
      return {};
    },
    "volume.read": async ({ store }) => {
      const content = await store(0, Buffer.from("downlinked"), 1000);
      return { kind: "file", name: "f", total: 10, etag: '"e"', modified: 0, content };
    },
  };
  return { effects, files, handlers };
}

/** A doorbell that hears nothing. */
export function silence(ms: number, signal?: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve(false);
    });
  });
}

/** Resolves with what `look` finds. */
export async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (const over = performance.now() + 90_000; ; await new Promise((done) => setTimeout(done, 20))) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > over) throw new Error("it does not come to pass");
  }
}
