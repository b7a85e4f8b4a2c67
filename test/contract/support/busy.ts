import { setTimeout as pause } from "node:timers/promises";
import { expect } from "vitest";
import type { Answer, Client } from "./client.ts";
import { context, startBuild } from "./images.ts";
import { named } from "./session.ts";

export type Busy = {
  commandId: string;
  since: string;
  /** the answer of the call that holds the edge */
  answer: Promise<Answer>;
  /** cancels it and waits for its answer */
  end(): Promise<Answer>;
};

/** Keeps the edge busy with a real command of the client: a build that sleeps. */
export async function keepBusy(client: Client, seconds = 20): Promise<Busy> {
  const image = named(`slow${++count}`);
  await context(client, image, `RUN sleep ${seconds}; echo ${image}`);
  const answer = startBuild(client, image);
  const { busy } = await edgeUntil(client, ({ busy }) => busy?.operation === "image.build");
  const commandId = busy!.command_id!;
  // claimed: it really runs, and nobody withdraws it
  for (let state = "queued"; state === "queued"; ) {
    state = (await client.get(`/commands/${commandId}`, { wait: 10 })).json.data.state;
  }
  return {
    commandId,
    since: busy!.since,
    answer,
    async end() {
      const cancelled = await client.request("POST", `/commands/${commandId}/cancel`);
      expect([200, 202, 409]).toContain(cancelled.status);
      const ended = await answer;
      await edgeUntil(client, (edge) => edge.busy === null);
      return ended;
    },
  };
}

let count = 0;

type Edge = { busy: { operation?: string; command_id?: string; since: string } | null; queued: number };

/** Asks for `GET /edge` until it is as wanted. */
export async function edgeUntil(client: Client, wanted: (edge: Edge) => boolean): Promise<Edge> {
  const end = performance.now() + 90_000;
  for (;;) {
    const edge = (await client.get("/edge")).json.data as Edge;
    if (wanted(edge)) return edge;
    if (performance.now() > end) throw new Error(`the edge is still ${JSON.stringify(edge)}`);
    await pause(50);
  }
}
