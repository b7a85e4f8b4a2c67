import { setTimeout as pause } from "node:timers/promises";
import { expect } from "vitest";
import type { Client, Fields } from "#test/contract/support/client.ts";
import type { State } from "#test/contract/support/pods.ts";

const END_MS = 120_000;

/** pod/run of a shell command in the base image, for a minute at most. */
export async function runShell(client: Client, pod: string, script: string, fields: Fields = {}) {
  const answer = await client.form("/em/pod/run", {
    image: "busybox:latest",
    max_duration: 1,
    node: "MPU",
    pod_name: pod,
    command: "/bin/sh",
    args: JSON.stringify(["-c", script]),
    ...fields,
  });
  expect({ status: answer.status, text: answer.text }).toMatchObject({ status: 200 });
}

export async function stateOf(client: Client, pod: string): Promise<State> {
  const answer = await client.get("/em/pod/status", { pod_name: pod });
  expect({ status: answer.status, text: answer.text }).toMatchObject({ status: 200 });
  return answer.json.data.state;
}

/** @throws Error that tells the last state */
export async function untilTerminated(
  client: Client,
  pod: string,
): Promise<NonNullable<State["terminated"]>> {
  const end = performance.now() + END_MS;
  for (;;) {
    const state = await stateOf(client, pod);
    if (state.terminated) return state.terminated;
    if (performance.now() > end) throw new Error(`${pod} is still ${JSON.stringify(state)}`);
    await pause(200);
  }
}
