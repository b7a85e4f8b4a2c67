import { LIMITS } from "#protocol/limits.ts";
import type { JobHistoryWorld } from "./job-history-world.ts";

/** Within this (ms of virtual time) everything that was begun has ended, once nothing fails any more. */
const MOST_MS = 30 * 60_000;

/**
 * Lets everything come to its end, and looks at what is left.
 * @returns how many objects the janitor had to remove
 */
export async function expectJobsEnd(world: JobHistoryWorld): Promise<number> {
  world.act(() => world.heal());
  const { jobs, calls, computer, engine, volumes } = world;
  const open = () =>
    [...jobs.values()].filter(
      ({ shown, lookedAt }) =>
        lookedAt <= world.quietAt || !["ready", "done", "failed"].includes(shown!.state),
    );
  if (!(await world.run(MOST_MS, () => calls.size === 0 && open().length === 0))) {
    const left = open().map(({ id, shown }) => `job ${id} ${JSON.stringify(shown)}`);
    throw new Error(`these wait for ever: ${[...left, ...calls].join("; ")}`);
  }
  const journal = computer.database.prepare("SELECT command FROM journal");
  const runs = computer.database.prepare("SELECT run FROM pod_runs");
  const left = () => ({
    journal: journal.all().length,
    volumes: [...volumes.names.values()].flatMap((names) => [...names]),
    runs: runs.all().length,
    containers: engine.size,
    staged: world.staged().filter((key) => !world.isLeftToJanitor(key)),
  });
  const isNothing = () =>
    Object.values(left()).every((what) => what === 0 || (Array.isArray(what) && what.length === 0));
  if (!(await world.run(MOST_MS, isNothing))) throw new Error(`there is left: ${JSON.stringify(left())}`);
  for (const { id, acknowledged, shown } of jobs.values()) {
    if (acknowledged && shown?.state === "ready") throw new Error(`job ${id} was submitted, and is ready`);
  }
  return goneAfterADay(world);
}

/** What nobody else removes goes with the janitor's round. @returns how many objects */
async function goneAfterADay(world: JobHistoryWorld): Promise<number> {
  world.leave();
  await world.run(LIMITS.downlinkMs);
  const count = world.staged().length;
  world.act(() => world.janitor());
  if (!(await world.run(MOST_MS, () => world.calls.size === 0))) throw new Error("the janitor does not end");
  if (world.staged().length > 0) throw new Error(`there is left after a day: ${world.staged()}`);
  return count;
}
