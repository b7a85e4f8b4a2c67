import { randomInt } from "node:crypto";
import { afterAll, inject } from "vitest";
import { PoseidonClient } from "./client.ts";

export const target = inject("poseidon");

export const me = new PoseidonClient(target.url, target.token);
/** Another user of the same edge. */
export const other = new PoseidonClient(target.url, target.other);
/** Without a token. */
export const nobody = new PoseidonClient(target.url);

export const GONE = { message: "no runner found with this id" };

const made = new Set<number>();
afterAll(async () => {
  for (const id of made) await me.delete(`/execution-environments/${id}`);
});

/** An id that no other file has, whose environment goes with this file. */
export function freshId(): number {
  const id = randomInt(1_000, 2 ** 40);
  made.add(id);
  return id;
}

/** An environment of the runners' image. @returns its id */
export async function environment(rest: object = {}): Promise<number> {
  const id = freshId();
  const body = { image: target.image, prewarmingPoolSize: 1, memoryLimit: 256, ...rest };
  const answer = await me.body("PUT", `/execution-environments/${id}`, body);
  if (answer.status !== 201) throw new Error(`environment: ${answer.status} ${answer.text}`);
  return id;
}

/** A runner of an environment, as soon as there is one. @returns its path */
export async function runner(id: number, rest: object = {}): Promise<string> {
  const body = JSON.stringify({ executionEnvironmentId: id, ...rest });
  const headers = { prefer: "wait=60" };
  let answer = await me.send("POST", "/runners", { body, headers });
  // a machine that does much else takes longer
  for (let n = 0; n < 3 && answer.text.includes("NOMAD_OVERLOAD"); n++) {
    answer = await me.send("POST", "/runners", { body, headers });
  }
  if (answer.status !== 200) throw new Error(`runner: ${answer.status} ${answer.text}`);
  return `/runners/${answer.json.runnerId}`;
}
