import type { KnownRun } from "../../ledger/runs.ts";
import { infrastructureOf, timeOf } from "./image-view.ts";
import type { InstanceRecord } from "./records.ts";

export type State = "pending" | "running" | "stopped" | "error" | "unknown";
export type StateOf = { State: State; Reason?: string; ExitCode?: number };

/**
 * The state of an instance by what is known of its latest run. One that was stopped is so whatever its process made
 * of the signal; one that was evicted did not end by itself, though its process may have ended with 0.
 */
export function stateOf(
  { accepted }: Pick<InstanceRecord, "accepted">,
  run: Pick<KnownRun, "state" | "stopped"> | undefined,
): StateOf {
  if (!run) return accepted ? { State: "unknown" } : { State: "pending", Reason: "Queued" };
  const { state } = run;
  if ("running" in state) return { State: "running" };
  if ("waiting" in state) return { State: "pending", Reason: state.waiting.reason };
  const { exitCode, reason, startedAt } = state.terminated;
  const isOver = run.stopped || (exitCode === 0 && reason !== "Evicted");
  if (startedAt !== null && isOver) return { State: "stopped", ExitCode: exitCode };
  return { State: "error", Reason: reason, ...(startedAt !== null && { ExitCode: exitCode }) };
}

/** The newest runs of pods, by the command that asked for them. */
export type RunsBy = ReadonlyMap<string, KnownRun>;

export function instanceView(instance: InstanceRecord, runs: RunsBy): object {
  const run = runs.get(instance.run);
  const of = stateOf(instance, run);
  return {
    Id: instance.id,
    Name: instance.name,
    State: of.State,
    IpAddress: of.State === "running" ? (run?.address ?? "") : "",
    ImageId: instance.image,
    Infrastructure: infrastructureOf(instance.provider),
    Created: timeOf(instance.createdAt),
    ...(of.Reason !== undefined && { Reason: of.Reason }),
    ...(of.ExitCode !== undefined && { ExitCode: of.ExitCode }),
  };
}
