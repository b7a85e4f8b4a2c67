import { expect, test } from "vitest";
import type { Command, ContactWindow, Pod } from "../api/types.ts";
import { type TimelineItem, timelineItems, waited } from "./timeline-items.ts";

const NOW = Date.parse("2026-05-22T20:00:00Z");
const MIN = 60_000;
const SIGHT = { from: NOW - 60 * MIN, to: NOW + 60 * MIN };
const at = (minutes: number) => new Date(NOW + minutes * MIN).toISOString();
const items = (known: { commands?: Partial<Command>[]; pods?: Partial<Pod>[]; windows?: ContactWindow[] }) =>
  timelineItems(
    {
      commands: (known.commands ?? []) as Command[],
      pods: (known.pods ?? []) as Pod[],
      windows: known.windows ?? [],
    },
    SIGHT,
    NOW,
  );
const brief = ({ group, name, status, from, to, open }: TimelineItem) => [
  group,
  name,
  status.word,
  (from - NOW) / MIN,
  (to - NOW) / MIN,
  open,
];

test("windows, runs, planned runs and commands stand on one axis", () => {
  const run = { operation: "pod.run", state: "succeeded", created_at: at(-10), ended_at: at(-9) } as const;
  const all = items({
    windows: [
      { start: at(-5), end: at(5), station: "Svalbard" },
      { start: at(30), end: at(40), station: "Kiruna" },
    ],
    pods: [
      { pod_name: "a", run: "1", state: { running: { startedAt: at(-8) } } },
      {
        pod_name: "b",
        run: "2",
        state: { terminated: { exitCode: 3, reason: "Error", startedAt: at(-50), finishedAt: at(-40) } },
      },
      { pod_name: "c", run: "3", state: { waiting: { reason: "Scheduled" } } },
    ],
    commands: [
      {
        ...run,
        command_id: "3",
        input: { pod: "c", scheduledAt: NOW + 20 * MIN, maxMs: 5 * MIN },
      },
    ],
  });
  expect(all.map(brief)).toEqual([
    ["Contact windows", "Svalbard", "Open", -5, 5, true],
    ["Contact windows", "Kiruna", "Planned", 30, 40, false],
    ["Runs", "a", "Running", -8, 0, true],
    ["Runs", "b", "Exit 3", -50, -40, false],
    ["Scheduled runs", "c", "Planned", 20, 25, true],
    ["Run pod", "Run pod c", "Succeeded", -10, -9, false],
  ]);
});

test("what is out of sight, over, or was never to be, is not there", () => {
  const planned = { operation: "pod.run", created_at: at(-90), ended_at: at(-80) } as const;
  expect(
    items({
      windows: [{ start: at(70), end: at(80), station: "Kiruna" }],
      commands: [
        { ...planned, state: "failed", command_id: "1", input: { scheduledAt: NOW + MIN } },
        { ...planned, state: "succeeded", command_id: "2", input: { scheduledAt: NOW - MIN } },
      ],
    }),
  ).toEqual([]);
});

test("how much of a bar was waiting", () => {
  const of = (from: number, begun: number | undefined, to: number) =>
    waited({ from, begun, to } as TimelineItem);
  expect([of(0, 5, 10), of(0, undefined, 10), of(0, 0, 0), of(0, 9, 3)]).toEqual([0.5, 1, 0, 1]);
});
