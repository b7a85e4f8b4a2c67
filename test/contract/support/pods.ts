import { setTimeout as pause } from "node:timers/promises";
import { expect } from "vitest";
import type { Client, Fields } from "./client.ts";
import { expectOk } from "./expectations.ts";
import { target } from "./session.ts";

export const RUN_OK = { message: "Docker run scheduled successfully" };

/** Runs until it is told to stop, at once. */
export const UNTIL_TERM = "trap 'exit 0' TERM; echo up; sleep 3600 & wait";

const END_MS = 90_000;

export type State = {
  waiting?: { reason: string; message?: string };
  running?: { startedAt: string };
  terminated?: {
    exitCode: number;
    reason: string;
    startedAt: string | null;
    finishedAt: string | null;
    message?: string;
  };
};

/** pod/run of the base image on the MPU for a few minutes, unless `fields` say otherwise. */
export async function run(client: Client, pod: string, fields: Fields = {}): Promise<void> {
  const answer = await client.form("/em/pod/run", {
    image: target.image,
    max_duration: 5,
    node: "MPU",
    pod_name: pod,
    ...fields,
  });
  expectOk(answer, RUN_OK);
}

/** `data.state` of pod/status. */
export async function stateOf(client: Client, pod: string): Promise<State> {
  const answer = await client.get("/em/pod/status", { pod_name: pod });
  expect({ status: answer.status, text: answer.text }).toMatchObject({ status: 200 });
  return answer.json.data.state;
}

/** Asks for the status until it is as wanted. @throws Error that tells the last one */
export async function until(
  client: Client,
  pod: string,
  wanted: (state: State) => boolean,
  ms = END_MS,
): Promise<State> {
  const end = performance.now() + ms;
  for (;;) {
    const state = await stateOf(client, pod);
    if (wanted(state)) return state;
    if (performance.now() > end) throw new Error(`${pod} is still ${JSON.stringify(state)}`);
    await pause(100);
  }
}

export async function untilRunning(client: Client, pod: string): Promise<State> {
  const state = await until(client, pod, ({ running, terminated }) => Boolean(running ?? terminated));
  expect(state).toHaveProperty("running");
  return state;
}

export async function untilTerminated(client: Client, pod: string, ms?: number) {
  return (await until(client, pod, (state) => state.terminated !== undefined, ms)).terminated!;
}

/** What a run that has terminated wrote. */
export async function output(client: Client, pod: string): Promise<string> {
  await untilTerminated(client, pod);
  const answer = await client.get("/em/pod/logs", { pod_name: pod });
  expect(answer.status).toBe(200);
  return answer.text;
}

/** Runs a pod to its end and gives what it wrote. */
export async function outputOf(client: Client, pod: string, fields: Fields): Promise<string> {
  await run(client, pod, fields);
  return output(client, pod);
}

/** A file of a volume, which must be there. */
export async function fileOf(client: Client, volume: string, filepath: string): Promise<Buffer> {
  const answer = await client.get("/em/files/downlink", { filepath, pod_name: volume });
  const location = answer.header("location");
  // A ground through which little passes leads to the content: as any client does, without the token.
  if (answer.status === 302 && location) return Buffer.from(await (await fetch(location)).arrayBuffer());
  expect({ status: answer.status, text: answer.status === 200 ? "" : answer.text }).toMatchObject({
    status: 200,
  });
  return answer.bytes;
}

/** Ends the pods that this run has begun for a user and that have not terminated. */
export async function stopAll(client: Client): Promise<void> {
  const { pods } = (await client.get("/edge")).json.data as { pods: { pod_name: string; state: State }[] };
  const mine = pods.filter(
    ({ pod_name, state }) => pod_name.startsWith(`${target.run}-`) && !state.terminated,
  );
  for (const { pod_name } of mine) await client.form("/em/pod/stop", { pod_name });
  for (const { pod_name } of mine) await untilTerminated(client, pod_name, 2 * END_MS);
}
