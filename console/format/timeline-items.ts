import type { Command, ContactWindow, Pod } from "../api/types.ts";
import { operationWord, subject } from "./operations.ts";
import { commandStatus, podStatus, type Status } from "./status.ts";
import { place, type Span, spansOf } from "./timeline.ts";

/** One bar of the timeline, and one row of its table. Times in ms since 1970. */
export type TimelineItem = {
  key: string;
  group: string;
  name: string;
  status: Status;
  /** from when it waited, when it began, when it ended or would */
  from: number;
  begun?: number | undefined;
  to: number;
  /** it has not ended */
  open: boolean;
  /** the screen that has more of it */
  at: string[];
};

const MINUTE_MS = 60_000;
const PLANNED: Status = { level: "standby", word: "Planned" };
const OVER: Status = { level: "off", word: "Over" };

type Known = {
  commands: readonly Command[];
  pods: readonly Pod[];
  windows: readonly ContactWindow[];
  /** what other APIs call pods, by their names on the edge */
  names?: ReadonlyMap<string, string>;
};

/** Commands, runs, planned runs and contact windows that are in sight, group after group. */
export function timelineItems(
  { commands, pods, windows, names }: Known,
  sight: Span,
  now: number,
): TimelineItem[] {
  const all = [
    ...windows.map((one) => windowItem(one, now)),
    ...pods.flatMap((pod) => runItem(pod, names?.get(pod.pod_name) ?? pod.pod_name, now)),
    ...commands.flatMap((command) => plannedItem(command, now)),
    ...commands.map((command) => commandItem(command, now)),
  ];
  return all.filter(({ from, to }) => place(from, to, sight) !== undefined);
}

function windowItem({ start, end, station }: ContactWindow, now: number): TimelineItem {
  const [from, to] = [Date.parse(start), Date.parse(end)];
  const present = from <= now && now < to;
  const status: Status = present ? { level: "normal", word: "Open" } : to <= now ? OVER : PLANNED;
  return {
    key: `window ${start}`,
    group: "Contact windows",
    name: station,
    status,
    from,
    begun: from,
    to,
    open: present,
    at: ["overview"],
  };
}

/** The newest run of a pod; nothing when its start is not reported. */
function runItem(of: Pod, name: string, now: number): TimelineItem[] {
  const { pod_name: pod, run, state } = of;
  const began = state.running?.startedAt ?? state.terminated?.startedAt;
  if (!began) return [];
  const from = Date.parse(began);
  const { finishedAt } = state.terminated ?? {};
  return [
    {
      key: `run ${run}`,
      group: "Runs",
      name,
      status: podStatus(of),
      from,
      begun: from,
      to: finishedAt ? Date.parse(finishedAt) : now,
      open: state.running !== undefined,
      at: ["pods", pod],
    },
  ];
}

/** A run that is to begin later: for as long as it may take. */
function plannedItem({ operation, command_id: id, state, input }: Command, now: number): TimelineItem[] {
  const { scheduledAt, maxMs, pod } = input as { scheduledAt?: number; maxMs?: number; pod?: string };
  if (operation !== "pod.run" || scheduledAt === undefined || scheduledAt <= now) return [];
  if (state === "failed" || state === "cancelled" || state === "expired") return [];
  return [
    {
      key: `planned ${id}`,
      group: "Scheduled runs",
      name: String(pod),
      status: PLANNED,
      from: scheduledAt,
      begun: scheduledAt,
      to: scheduledAt + (maxMs ?? MINUTE_MS),
      open: true,
      at: ["pods", String(pod)],
    },
  ];
}

function commandItem(command: Command, now: number): TimelineItem {
  const { waits, works } = spansOf(command, now);
  const { command_id: id, operation, input, ended_at: ended } = command;
  return {
    key: id,
    group: operationWord(operation),
    name: `${operationWord(operation)} ${subject(input)}`.trim(),
    status: commandStatus(command),
    from: waits.from,
    begun: works?.from,
    to: (works ?? waits).to,
    open: ended === undefined,
    at: ["commands", id],
  };
}

/** How much of a bar was waiting, from 0 to 1. */
export function waited({ from, begun, to }: TimelineItem): number {
  return begun === undefined ? 1 : Math.min(1, Math.max(0, (begun - from) / Math.max(1, to - from)));
}
