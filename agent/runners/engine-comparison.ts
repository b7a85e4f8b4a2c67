import type { ContainerState } from "#protocol/operations.ts";
import type { RunnerEnd } from "#protocol/runners.ts";
import type { PodRuntime } from "../pods/pod-runtime.ts";
import { poolOf, type RunnerBook } from "./runner-book.ts";

/**
 * Compares the records with what the engine holds: runners that died end, and containers that nobody knows are removed.
 * @param suspects ids of runners that are looked at one by one: an engine's list may be older than its events
 * @returns pools of idle runners that ended by themselves
 * @throws what the engine says: then nothing was concluded from it
 */
export async function compareWithEngine(
  book: RunnerBook,
  runtime: PodRuntime,
  suspects: ReadonlySet<string>,
): Promise<Set<string>> {
  const died = new Set<string>();
  const listed = new Map((await runtime.listRunners!()).map((runner) => [runner.run, runner]));
  // Records are read after the list: a runner is recorded before the engine hears of it, so none looks foreign.
  for (const record of book.all()) {
    if (record.state !== "idle" && record.state !== "used") continue;
    if (listed.get(record.id)?.phase === "running" && !suspects.has(record.id)) continue;
    const end = endOf(await runtime.inspect(record.id));
    if (!end) continue;
    if (record.state === "idle" && end !== "lost") died.add(poolOf(record));
    book.end(record, end);
  }
  for (const { run } of listed.values()) if (!book.get(run)) await runtime.remove(run);
  return died;
}

/** Why a runner that should run does not; undefined: it does. */
function endOf(state: ContainerState | undefined): RunnerEnd | undefined {
  if (state === undefined) return "lost";
  if ("running" in state) return undefined;
  if (!("terminated" in state)) return "lost";
  const { reason } = state.terminated;
  if (reason === "OOMKilled") return "oom";
  if (reason === "Evicted") return "evicted";
  return reason === "NodeLost" ? "lost" : "exited";
}
