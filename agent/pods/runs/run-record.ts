import type { NodeKind } from "#protocol/names.ts";
import type { ContainerState, InputOf } from "#protocol/operations.ts";
import type { PodReport } from "#protocol/wire.ts";
import { type Terminated, wholeSeconds } from "../container-state.ts";
import type { RunUsage } from "../pod-runtime.ts";
import type { RunOfImage } from "./run-fpga.ts";

export type RunInput = InputOf<"pod.run">;

/**
 * scheduled: its time has not come. waiting: due, but something is missing (`reason` says what). loading: it holds the
 * device of its node, which is to be programmed for it; the engine has not heard of it. starting: noted
 * before the engine is asked, so the engine may have it. running: the engine said that it runs. ended: for good.
 */
export type Phase = "scheduled" | "waiting" | "loading" | "starting" | "running" | "ended";

/** Why we end a run. `Stopped`, `Replaced` and what its command asks for (`Killed`, `Cancelled`) keep the reason of the exit code. */
export type StopReason = "Stopped" | "Replaced" | "DeadlineExceeded" | "Evicted" | "Killed" | "Cancelled";

/** Why a user's pods are evicted, as the states say it. */
export const EVICTED = {
  quota: "Stopped because its user is over the quota",
  disk: "Stopped to make room: the edge's disk is full",
  volume: "Stopped because a volume that it may write to is over its size",
} as const;

/** What the agent durably knows of a run. Times in ms since 1970. */
export type RunRecord = {
  /** order of acceptance */
  readonly n: number;
  /** id of the pod/run command */
  readonly run: string;
  readonly user: string;
  readonly pod: string;
  /** host paths of the volumes that it mounts, by name and space */
  readonly volumes: Readonly<Record<string, string>>;
  /** its whole specification: enough to run it again */
  readonly input: RunInput;
  readonly acceptedAt: number;
  /** whose runtime runs it; older records have none, which is the edge's first */
  readonly provider?: string;
  phase: Phase;
  /** reason and message of `waiting` */
  reason: string;
  message?: string;
  /** when its time had come */
  dueAt?: number;
  /** when its device was programmed for it */
  loadedAt?: number;
  imageId?: string;
  /** content ID of the run before it, of which it is another: its image is not looked for by name */
  pinnedImage?: string;
  /** node it was placed on, and its kind */
  node?: string;
  kind?: NodeKind;
  /** of a run with an FPGA image */
  fpga?: RunOfImage;
  /** the runtime's session in which it was started */
  session?: string;
  /** when it was last seen not to have started, by the agent's clock as all here */
  notStartedAt?: number;
  startedAt?: number;
  /** by which others in its network reach it; known of runs with a host name of their own */
  address?: string;
  /** when it has run for as long as it may; absent: for ever */
  deadline?: number;
  stopReason?: StopReason;
  /** of an evicted run; older records have none, which is `quota` */
  evictedFor?: keyof typeof EVICTED;
  /** when the stop was decided */
  stopAt?: number;
  /** ms between SIGTERM and SIGKILL, where the stop has its own */
  stopGraceMs?: number;
  /** the engine was asked to stop it: an end may be due to that */
  stopping?: boolean;
  /**
   * A command waits for its end: nothing of it is given up. false: the command has ended, and its record goes as soon
   * as it can. Absent: the run goes on by itself, and its pod can be asked for.
   */
  kept?: boolean;
  /** its pod is removed: its log is given up, and its record goes as soon as the engine holds nothing of it */
  dropped?: boolean;
  /** as last measured; only of runs that are kept */
  used?: RunUsage;
  /** bytes of its log that were pushed, once that is whole */
  logBytes?: number;
  end?: Terminated;
  /** all of its log was pushed */
  flushed: boolean;
  /** the engine holds nothing of it any more */
  removed: boolean;
};

export function hasStarted(record: RunRecord): boolean {
  return record.startedAt !== undefined || !!record.end?.startedAt;
}

/**
 * The state that users see. A run that ended shows as still running until its log was pushed: whoever reads
 * `terminated` can read all of the log.
 */
export function visibleState(record: RunRecord): ContainerState {
  if (record.phase === "ended" && record.flushed && record.end) return { terminated: record.end };
  if (record.startedAt !== undefined) return { running: { startedAt: wholeSeconds(record.startedAt) } };
  if (record.phase !== "running" && record.phase !== "ended") {
    return { waiting: { reason: record.reason, ...(record.message && { message: record.message }) } };
  }
  return { waiting: { reason: "ContainerCreating" } };
}

export function reportOf(record: RunRecord): PodReport {
  const { user, pod, run, input, phase, stopReason, address } = record;
  const node = record.node ?? input.node ?? input.kind ?? "";
  const state = visibleState(record);
  return {
    ...{ user, pod, run, image: input.image, node, state },
    ...("running" in state && address !== undefined && { address }),
    ...(phase === "ended" && stopReason === "Stopped" && { stopped: true }),
  };
}
