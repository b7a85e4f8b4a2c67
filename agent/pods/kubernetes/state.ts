import type { ContainerState } from "#protocol/operations.ts";
import { cleanStartError } from "../clean-start-error.ts";
import { NEVER_RAN, terminated, wholeSeconds } from "../container-state.ts";
import { STOPPED } from "./names.ts";
import type { ContainerStateOfPod, Pod } from "./types.ts";

/** The image cannot be had. */
const PULL =
  /^(?:ErrImagePull|ImagePullBackOff|InvalidImageName|ErrImageNeverPull|RegistryUnavailable|SignatureValidationFailed)$/;
/** The runtime cannot make the container, and will be asked again for ever. */
const CREATE = /^(?:CreateContainerError|CreateContainerConfigError|RunContainerError)$/;
/** It was too slow, still at it, or its node is short of something: not the payload's fault. */
const PASSING =
  /deadline exceeded|is reserved for|already exists|unavailable|connection|subpath|no space left|cannot allocate memory|too many open files|input\/output error/i;
/** What the payload may have named: quoted words, paths, a user. */
const OF_PAYLOAD = /"(?:[^"\\]|\\.)*"|\/\S+|\buser \S+/g;
/** What the container engine says of a container that it found dead. */
const UNKNOWN_END = /^(?:ContainerStatusUnknown|Unknown)$/;

/** The runtime could not start the container. */
const NEVER_STARTED = /^(?:StartError|ContainerCannotRun)$/;

const NODE_LOST = "The node went down";

/** The container's own state: without an end that its node only made up, for a container that never was. */
function containerOf(pod: Pod): ContainerStateOfPod {
  const { terminated: end, ...others } = pod.status?.containerStatuses?.[0]?.state ?? {};
  if (!end) return others;
  // A node holds back the pod's phase and reason (Evicted, DeadlineExceeded) until all of the pod has ended.
  if (!NEVER_STARTED.test(end.reason ?? "") && !isOver(pod) && !pod.metadata.deletionTimestamp) return others;
  const isMadeUp = UNKNOWN_END.test(end.reason ?? "");
  return isMadeUp && (!wasThere(pod) || !isOver(pod)) ? others : { ...others, terminated: end };
}

/** The container was made, and may have run. */
function wasThere(pod: Pod): boolean {
  const [container] = pod.status?.containerStatuses ?? [];
  const { containerID, restartCount, state, lastState } = container ?? {};
  return Boolean(containerID || restartCount || state?.terminated?.startedAt || lastState?.terminated);
}

/** The pod's own end was told, with its reason: a node may tell it before the container's end, or after. */
function isOver({ status }: Pod): boolean {
  return status?.phase !== "Running" && status?.phase !== "Pending";
}

function stamp(text: string | undefined): string | null {
  return !text || text.startsWith("1970-01-01T00:00:00") ? null : wholeSeconds(Date.parse(text));
}

/**
 * State of a run from its pod. @param lost its node is gone or out of reach, and it was given up
 */
export function stateOf(pod: Pod, lost = false): ContainerState {
  const { terminated: end, running } = containerOf(pod);
  if (end) return endOf(pod, end);
  if (lost) return terminated(255, "NodeLost", stamp(running?.startedAt), null, NODE_LOST);
  if (running || isEnding(pod))
    return { running: { startedAt: stamp(running?.startedAt) ?? stamp(pod.status?.startTime) ?? "" } };
  return { waiting: waitingOf(pod) };
}

function endOf(pod: Pod, end: NonNullable<ContainerStateOfPod["terminated"]>): ContainerState {
  const startedAt = stamp(end.startedAt);
  const finishedAt = stamp(end.finishedAt);
  if (end.reason === "StartError" || end.reason === "ContainerCannotRun") {
    return terminated(NEVER_RAN, "StartError", null, null, startError(pod, end.message));
  }
  // The pod's own reason first: its node may have found the container dead only after it had ended the pod.
  const ofPod = pod.status?.reason;
  if (ofPod === "Evicted") {
    return terminated(end.exitCode, "Evicted", startedAt, finishedAt, pod.status?.message?.slice(0, 500));
  }
  if (ofPod === "DeadlineExceeded" && !pod.metadata.annotations?.[STOPPED]) {
    return terminated(end.exitCode, "DeadlineExceeded", startedAt, finishedAt);
  }
  if (UNKNOWN_END.test(end.reason ?? "")) {
    return terminated(end.exitCode || 255, "NodeLost", startedAt, finishedAt, NODE_LOST);
  }
  const plain = end.exitCode === 0 ? "Completed" : end.reason === "OOMKilled" ? "OOMKilled" : "Error";
  return terminated(end.exitCode, plain, startedAt, finishedAt);
}

/** Why the run waits; undefined: it does not. */
export function waitingReason(pod: Pod): string | undefined {
  const state = stateOf(pod);
  return "waiting" in state ? state.waiting.reason : undefined;
}

/** Why a pod does not run yet, in words that are fit for its user. */
function waitingOf(pod: Pod): { reason: string; message?: string } {
  const { reason = "", message } = containerOf(pod).waiting ?? {};
  if (PULL.test(reason)) return { reason: "ImagePullBackOff", message: pullMessage(message ?? reason) };
  const rejected = isRejected(pod) ? (pod.status?.message ?? pod.status?.reason) : undefined;
  if (rejected) return { reason: "Unschedulable", message: rejected.slice(0, 500) };
  const scheduled = pod.status?.conditions?.find(({ type }) => type === "PodScheduled");
  if (scheduled?.status === "False" && scheduled.reason === "Unschedulable") {
    // What follows is about pods of others that might give way.
    return {
      reason: "Unschedulable",
      message: scheduled.message?.replace(/ preemption: .*$/s, "").slice(0, 500),
    };
  }
  return { reason: "ContainerCreating" };
}

/** Without the registry's address and what it answered in detail: those are the operator's. */
function pullMessage(message: string): string {
  const known = /not found|denied|unauthorized|refused|timeout|no such host|no space left/i.exec(
    message,
  )?.[0];
  return `The image cannot be pulled${known ? `: ${known.toLowerCase()}` : ""}`;
}

/** The container has run, or may have: its run is never started again. */
export function hasStarted(pod: Pod): boolean {
  const { terminated: end, running } = containerOf(pod);
  const told = pod.status?.containerStatuses?.[0]?.state?.terminated;
  const early =
    told && !isOver(pod) && !UNKNOWN_END.test(told.reason ?? "") && stamp(told.startedAt) !== null;
  if (running || early) return true;
  return end !== undefined && !(end.reason === "StartError" && stamp(end.startedAt) === null);
}

/** When the container started, in ms since 1970 by its node's clock; undefined: it has not, or nobody knows. */
export function startedAtOf(pod: Pod): number | undefined {
  const { terminated: end, running } = containerOf(pod);
  const at = stamp((end ?? running)?.startedAt);
  return at === null ? undefined : Date.parse(at);
}

/** The container's end is known, whatever it was. */
export function hasEnded(pod: Pod): boolean {
  return containerOf(pod).terminated !== undefined;
}

/**
 * One of both ends is told, the pod's or its container's, and the other is still to come: an evicted pod whose
 * container the node has lost sight of looks as if it had never been made.
 */
function isEnding(pod: Pod): boolean {
  const { terminated: end, running } = containerOf(pod);
  if (end || running || !wasThere(pod)) return false;
  return (
    pod.status?.phase === "Failed" || pod.status?.containerStatuses?.[0]?.state?.terminated !== undefined
  );
}

/** Its node refused it before anything ran: another try may find another place. */
export function isRejected(pod: Pod): boolean {
  const { terminated: end, running } = containerOf(pod);
  return pod.status?.phase === "Failed" && !end && !running && !isEnding(pod);
}

/** Nothing of it runs, and no node will start it any more. */
export function isSettled(pod: Pod): boolean {
  if (hasEnded(pod) || isRejected(pod)) return true;
  // A deleted pod keeps a grace until its node has confirmed that it ended, or when it never had a node. Where it
  // was deleted by force nobody has: a container that ran then may run yet.
  return isForced(pod) && !containerOf(pod).running && !isEnding(pod);
}

/** Deleted without waiting for its node. */
export function isForced({ metadata }: Pod): boolean {
  return metadata.deletionTimestamp !== undefined && metadata.deletionGracePeriodSeconds === 0;
}

/** Why the payload can never start, as far as it is the payload's fault. */
export function startFailureOf(pod: Pod): string | undefined {
  const { terminated: end, waiting } = containerOf(pod);
  if (end) {
    const state = endOf(pod, end);
    if (!("terminated" in state) || state.terminated.reason !== "StartError") return undefined;
    return state.terminated.message ?? "the container cannot be started";
  }
  const told = waiting?.message?.replace(OF_PAYLOAD, " ") ?? "";
  if (!CREATE.test(waiting?.reason ?? "") || PASSING.test(told)) return undefined;
  return startError(pod, waiting?.message);
}

function startError(pod: Pod, message = "the container cannot be started"): string {
  const [container] = pod.spec.containers;
  const { command = [], args = [], workingDir = "", volumeMounts = [] } = container ?? {};
  const places = volumeMounts.map(({ mountPath }) => mountPath);
  return cleanStartError(message, [...command, ...args, workingDir, ...places]);
}
