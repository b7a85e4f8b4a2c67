import { expect } from "vitest";
import type { OperationName } from "#protocol/operations.ts";
import type { Answer } from "#test/contract/support/client.ts";
import { LONG } from "#test/support/long-run.ts";
import type { Lane } from "./deployment.ts";

/** Steps of every command that changes something, before its handler. */
const BEFORE = ["loop.claimed", "journal.started"];

/**
 * Where an agent dies around and inside the handler of `operation`, whose own steps are `own`. What the loop does
 * before the handler and after its end is the same code for each operation: with `handler` only a long run dies there,
 * and every run where the handler is started again after all its steps.
 */
export function pointsOf(operation: OperationName, own: string[], dies: "everywhere" | "handler"): string[] {
  const after = [
    "journal.after.done",
    "loop.before.report",
    // named, because the command before may not have passed it yet when its answer is there
    `loop.after.report.${operation}`,
  ];
  const inside = [...own, "journal.before.done"];
  return LONG || dies === "everywhere" ? [...BEFORE, ...inside, ...after] : inside;
}

/**
 * Has the agent die at `point` of what `call` asks for, lets `meanwhile` happen, starts the agent again and
 * gives the answer of the call, which waited through all of it.
 */
export async function killedAt(
  lane: Lane,
  point: string,
  call: () => Promise<Answer>,
  meanwhile: () => void | Promise<void> = () => {},
): Promise<Answer> {
  lane.agent.arm(point);
  const answer = call();
  answer.catch(() => undefined);
  await lane.agent.death(point);
  await meanwhile();
  await lane.agent.start();
  return answer;
}

/** The newest command of the lane's user has succeeded, and is the only one of its operation since `before`. */
export async function expectOne(lane: Lane, operation: string, before: string | undefined): Promise<void> {
  const { data } = (await lane.client.get("/commands", { limit: 200 })).json as {
    data: { command_id: string; operation: string; state: string; attempts: number }[];
  };
  const since = data.filter(
    (command) => command.operation === operation && command.command_id > (before ?? ""),
  );
  expect(since).toMatchObject([{ operation, state: "succeeded" }]);
  expect(since[0]!.attempts).toBeLessThanOrEqual(2);
}

/** Id of the user's newest command. */
export async function newest(lane: Lane): Promise<string | undefined> {
  return (await lane.client.get("/commands", { limit: 1 })).json.data[0]?.command_id;
}
