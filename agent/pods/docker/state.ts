import type Docker from "dockerode";
import type { ContainerState } from "#protocol/operations.ts";
import { NEVER_RAN, terminated, wholeSeconds } from "../container-state.ts";
import { LABEL } from "../labels.ts";

/** The engine's time stamp; undefined for its zero time. */
function stamp(text: string | undefined): string | undefined {
  return !text || text.startsWith("0001-") ? undefined : wholeSeconds(Date.parse(text));
}

/**
 * State of a run from the engine's record of its container.
 * @param boot the machine's present boot: its id, and when it began (ms since 1970)
 */
export function stateOf(
  container: Pick<Docker.ContainerInspectInfo, "State" | "Config">,
  boot: { id: string; at: number },
): ContainerState {
  const { State: state } = container;
  const startedAt = stamp(state.StartedAt);
  const ofThisBoot = container.Config.Labels?.[LABEL.session] === boot.id;
  if (state.Running || state.Paused || state.Restarting) {
    return { running: { startedAt: startedAt ?? wholeSeconds(boot.at) } };
  }
  if (startedAt === undefined) {
    if (state.Error) return terminated(NEVER_RAN, "StartError", null, null, state.Error);
    return { waiting: { reason: "ContainerCreating" } };
  }
  const finishedAt = stamp(state.FinishedAt) ?? null;
  // The engine finds what died with the machine only after it came up, and knows no real exit code.
  if (!ofThisBoot && (finishedAt === null || Date.parse(finishedAt) >= boot.at - 1000)) {
    return terminated(state.ExitCode || 255, "NodeLost", startedAt, finishedAt, "The node went down");
  }
  const reason = state.ExitCode === 0 ? "Completed" : state.OOMKilled ? "OOMKilled" : "Error";
  return terminated(state.ExitCode, reason, startedAt, finishedAt);
}
