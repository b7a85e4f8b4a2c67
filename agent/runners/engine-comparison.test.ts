import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import type { ContainerState } from "#protocol/operations.ts";
import type { RunnerEnd } from "#protocol/runners.ts";
import type { PodRuntime } from "../pods/pod-runtime.ts";
import { compareWithEngine } from "./engine-comparison.ts";
import { poolKey, RunnerBook } from "./runner-book.ts";
import type { RunnerRecord } from "./runner-record.ts";
import { RunnerStore } from "./runner-store.ts";

const idOf = (n: number) => `0-3e3b7fd1-2c0c-4b9f-9a5e-${String(n).padStart(12, "0")}`;

function terminated(reason?: string): ContainerState {
  const at = new Date(0).toISOString();
  return { terminated: { reason, exitCode: 137, startedAt: at, finishedAt: at } } as ContainerState;
}

const RUNNING: ContainerState = { running: { startedAt: new Date(0).toISOString() } };
const WAITING = { waiting: { reason: "ContainerCreating" } } as ContainerState;

/** Records of an edge against an engine that lists these runs and says this of each. */
function edge(states: Record<string, ContainerState | undefined>, listed: Record<string, string> = {}) {
  const book = new RunnerBook(new RunnerStore(new DatabaseSync(":memory:")));
  const removed: string[] = [];
  const inspected: string[] = [];
  const runtime = {
    listRunners: async () => Object.entries(listed).map(([run, phase]) => ({ run, user: "ada", phase })),
    inspect: async (run: string) => {
      inspected.push(run);
      return states[run];
    },
    remove: async (run: string) => void removed.push(run),
  } as unknown as PodRuntime;
  const add = (id: string, state: RunnerRecord["state"]) => {
    const record: RunnerRecord = { id, user: "ada", generation: 1, state, image: "i", ports: [] };
    book.add(record);
    return record;
  };
  const compare = (suspects: string[] = []) => compareWithEngine(book, runtime, new Set(suspects));
  return { book, removed, inspected, add, compare };
}

const ENDS: [what: string, state: ContainerState | undefined, end: RunnerEnd | undefined][] = [
  ["nothing", undefined, "lost"],
  ["that it never started", WAITING, "lost"],
  ["that it died of memory", terminated("OOMKilled"), "oom"],
  ["an eviction", terminated("Evicted"), "evicted"],
  ["that its node is lost", terminated("NodeLost"), "lost"],
  ["that it ended", terminated("Error"), "exited"],
  ["an end without a reason", terminated(), "exited"],
  ["that it runs", RUNNING, undefined],
];

test.each(ENDS)("of a runner that is not listed the engine says %s", async (_, state, end) => {
  const { add, compare, book } = edge({ [idOf(1)]: state });
  const used = add(idOf(1), "used");
  // a used one's end says nothing of its image
  expect(await compare()).toEqual(new Set());
  expect([used.state, used.end]).toEqual([end ? "ending" : "used", end]);
  expect(book.get(idOf(1))).toBe(used);
});

test.each(ENDS)(
  "an idle one's end counts against its pool, unless it was lost: %s",
  async (_, state, end) => {
    const { add, compare } = edge({ [idOf(1)]: state });
    add(idOf(1), "idle");
    const counts = end !== undefined && end !== "lost";
    expect(await compare()).toEqual(new Set(counts ? [poolKey("ada", 0)] : []));
  },
);

test("what is listed as running is not asked for, unless an event named it; what starts or ends is left alone", async () => {
  const [running, named, starting, ending] = [1, 2, 3, 4].map(idOf) as [string, string, string, string];
  const { add, compare, inspected, book } = edge(
    { [named]: terminated("OOMKilled") },
    { [running]: "running", [named]: "running" },
  );
  add(running, "used");
  add(named, "used");
  add(starting, "starting");
  book.end(add(ending, "used"), "deleted");
  await compare([named]);
  expect(inspected).toEqual([named]);
  expect([running, named, starting, ending].map((id) => [book.get(id)!.state, book.get(id)!.end])).toEqual([
    ["used", undefined],
    ["ending", "oom"],
    ["starting", undefined],
    ["ending", "deleted"],
  ]);
});

test("containers that no record knows are removed", async () => {
  const { add, compare, removed } = edge(
    {},
    { [idOf(1)]: "running", [idOf(2)]: "running", [idOf(3)]: "exited" },
  );
  add(idOf(1), "idle");
  await compare();
  expect(removed).toEqual([idOf(2), idOf(3)]);
});
