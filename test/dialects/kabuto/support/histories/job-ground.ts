import { pino } from "pino";
import { MemoryDoorbell } from "#lambdas/adapters/long-poll/memory-doorbell.ts";
import { em } from "#lambdas/dialects/em/dialect.ts";
import { kabuto } from "#lambdas/dialects/kabuto/dialect.ts";
import { openSession } from "#lambdas/dialects/kabuto/sessions.ts";
import { createGround, type Ground } from "#lambdas/ground.ts";
import type { Item, LedgerStore } from "#lambdas/ports/ledger-store.ts";
import { serveGround } from "#lambdas/serve-ground.ts";
import { SimProcess } from "#test/faults/support/joint/sim-process.ts";
import { SimStore, type WatchedTable } from "#test/faults/support/joint/sim-store.ts";
import { START } from "#test/faults/support/joint/virtual-time.ts";
import { type MemoryObjects, MemoryStaging } from "#test/support/memory-staging.ts";
import { MemoryTable } from "#test/support/memory-store.ts";
import { client } from "../kabuto-ground.ts";
import { startScriptedAgent } from "../scripted-agent.ts";

export const EDGE = "em1";
export const USER = "ann";
const LOG = pino({ level: process.env.PERIGEE_TEST_LOG ? "warn" : "silent" });

/** What a history begins with: an edge, a user with a session and image 1. */
export type Beginning = { items: Item[]; token: string; cookie: string };

function groundOn(
  store: LedgerStore,
  staging: MemoryStaging,
  bell: MemoryDoorbell,
  now?: () => number,
): Ground {
  return createGround({
    ...{ store, staging, doorbell: bell, log: LOG, dialects: [em, kabuto] },
    tokens: [{ kid: "test", secret: Buffer.alloc(32, 7) }],
    ...(now && { now }),
  });
}

/** A ground in memory without a server. */
export function groundInMemory(store: LedgerStore, objects: MemoryObjects): Ground {
  return groundOn(store, new MemoryStaging(objects), new MemoryDoorbell(), () => START);
}

/** Made once, in real time: hashes and servers are not simulated. */
export async function makeBeginning(): Promise<Beginning> {
  const table = new MemoryTable();
  const ground = groundOn(
    table.open(),
    new MemoryStaging(new Map()),
    new MemoryDoorbell(),
    () => START - 60_000,
  );
  const { url, close } = await serveGround(ground, { host: "127.0.0.1", port: 0 });
  try {
    const { token } = await ground.accounts.addEdge(EDGE);
    await ground.accounts.addUser(USER, "long enough");
    const { core } = ground.dialects.find(({ dialect }) => dialect === kabuto)!;
    const cookie = `session=${await openSession(core, (await core.users.stored(USER))!)}`;
    await client(url, cookie).image(await startScriptedAgent(url, token));
    return { items: table.items(), token, cookie };
  } finally {
    await close(0);
  }
}

/** A life of a whole ground with Kabuto's API, over a table and objects that outlive it. */
export class JobGround {
  readonly process = new SimProcess("ground");
  readonly bell = new MemoryDoorbell();
  readonly store: SimStore;
  readonly staging: MemoryStaging;
  readonly ground: Ground;
  readonly #beginning: Beginning;
  readonly #epoch: () => number;

  constructor(of: { table: WatchedTable; objects: MemoryObjects; beginning: Beginning; epoch(): number }) {
    this.#beginning = of.beginning;
    this.#epoch = of.epoch;
    this.store = new SimStore(of.table, this.process);
    this.staging = new MemoryStaging(of.objects);
    this.ground = groundOn(this.store, this.staging, this.bell);
  }

  /** A request of an agent; `newest`: the epoch that was issued last when it came. */
  async request(path: string, body: string | Buffer, method = "POST") {
    const newest = this.#epoch();
    const response = await this.ground.app.request(`/agent${path}`, {
      ...{ method, body },
      headers: { authorization: `Bearer ${this.#beginning.token}` },
    });
    return { status: response.status, text: await response.text(), newest };
  }

  /** A request of the user's. */
  async ask(
    path: string,
    method = "GET",
    fields?: Record<string, string>,
  ): Promise<{ type: string; body: Buffer }> {
    const response = await this.ground.app.request(path, {
      method,
      headers: { cookie: this.#beginning.cookie },
      ...(fields && { body: new URLSearchParams(fields) }),
    });
    if (response.status !== 200) throw new Error(`${method} ${path} was answered with ${response.status}`);
    return {
      type: response.headers.get("content-type") ?? "",
      body: Buffer.from(await response.arrayBuffer()),
    };
  }
}
