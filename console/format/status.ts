import type { State } from "#protocol/state.ts";
import type { Contact, Holding, Pod } from "../api/types.ts";

/** The six levels of Astro UXDS, worst first. */
export type Level = "critical" | "serious" | "caution" | "normal" | "standby" | "off";
export type Status = { level: Level; word: string };

const STATES: Record<State, Status> = {
  staging: { level: "standby", word: "Receiving" },
  queued: { level: "standby", word: "Queued" },
  running: { level: "normal", word: "Running" },
  succeeded: { level: "normal", word: "Succeeded" },
  failed: { level: "critical", word: "Failed" },
  cancelled: { level: "off", word: "Cancelled" },
  expired: { level: "serious", word: "Expired" },
};

export function commandStatus(command: {
  state: State;
  contact?: "ok" | "lost";
  cancel_requested_at?: string;
}): Status {
  const { state, contact, cancel_requested_at: cancelled } = command;
  if (state === "running" && contact === "lost") return { level: "caution", word: "Out of contact" };
  if (state === "running" && cancelled) return { level: "caution", word: "Cancelling" };
  return STATES[state] ?? { level: "off", word: String(state) };
}

/** One that its user stopped is no failure, whatever its program made of the signal. */
export function podStatus({ state, stopped }: Pick<Pod, "state" | "stopped">): Status {
  const { waiting, running, terminated } = state;
  if (running) return { level: "normal", word: "Running" };
  if (waiting) return { level: "standby", word: waiting.reason };
  if (!terminated) return { level: "off", word: "Unknown" };
  if (stopped) return { level: "off", word: "Stopped" };
  if (terminated.exitCode === 0) return { level: "off", word: "Completed" };
  return { level: "critical", word: `Exit ${terminated.exitCode}` };
}

const PHASES: Record<NonNullable<Holding["phase"]>, Level> = {
  waits: "standby",
  runs: "normal",
  ready: "normal",
  ended: "off",
  failed: "critical",
};

/** The word is the other API's. */
export function holdingStatus({
  state = "there",
  phase = "ready",
}: Pick<Holding, "state" | "phase">): Status {
  const words = state.replaceAll(/[_-]/g, " ");
  return { level: PHASES[phase] ?? "off", word: words.charAt(0).toUpperCase() + words.slice(1) };
}

export function contactStatus({ state }: Pick<Contact, "state">): Status {
  if (state === "ok") return { level: "normal", word: "In contact" };
  if (state === "lost") return { level: "caution", word: "Out of contact" };
  return { level: "off", word: "Never heard" };
}

export function nodeStatus(status: string): Status {
  if (status === "True") return { level: "normal", word: "Ready" };
  return status === "False"
    ? { level: "critical", word: "Not ready" }
    : { level: "caution", word: "Unknown" };
}

const ORDER: readonly Level[] = ["critical", "serious", "caution", "normal", "standby", "off"];

/** The worst of several; undefined of none. */
export function worst(all: readonly Status[]): Status | undefined {
  return all.toSorted((a, b) => ORDER.indexOf(a.level) - ORDER.indexOf(b.level))[0];
}
