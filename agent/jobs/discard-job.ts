import { OPERATIONS } from "#protocol/operations.ts";
import type { ClaimedCommand } from "#protocol/wire.ts";
import { forgetReceived } from "./fetch-inbox.ts";
import type { JobDeps } from "./job-deps.ts";
import { jobOfVolume, volumesOf } from "./job-volumes.ts";

/** A job as its records name it. */
type Job = { id: string; user: string; space: string };

/** Removes what the edge has of a job: its volumes, what was received for them, and its run, which is ended if need be. */
export async function discardJob({ volumes, pods }: JobDeps, { id, user, space }: Job): Promise<void> {
  pods.letGo(id);
  const taken = new Map(volumesOf(id, space).all.map((volume, n) => [volume, `${id}.${n}`]));
  // Of an earlier try that was cut the trash may still have them.
  for (const trash of taken.values()) await volumes.trash.empty(trash);
  volumes.takeAllAway(user, taken);
  for (const trash of taken.values()) await volumes.trash.empty(trash);
  await forgetReceived({ volumes }, id);
}

/**
 * Removes what earlier lives of the agent left of a command that it has not begun in this one: what was received for
 * it, and all that there is of a job.
 */
export async function discardDropped(
  deps: JobDeps,
  { id, user, operation, input }: Pick<ClaimedCommand, "id" | "user" | "operation" | "input">,
): Promise<void> {
  const { data: job } = OPERATIONS["job.run"].input.safeParse(operation === "job.run" ? input : undefined);
  if (job) await discardJob(deps, { id, user, space: job.space });
  else await forgetReceived(deps, id);
}

/** Discards every job whose command is not in the journal: the ground has ended it, or it was given up. */
export async function sweepJobs(deps: JobDeps, journal: { open(): { command: string }[] }): Promise<void> {
  // All of this before anything else: a job that begins meanwhile is none of them.
  const open = new Set(journal.open().map(({ command }) => command));
  const over = new Map<string, Job>();
  for (const { run, user, input } of deps.pods.kept()) {
    if (!open.has(run)) over.set(run, { id: run, user, space: input.space ?? "" });
  }
  for (const user of deps.volumes.users()) {
    for (const name of deps.volumes.names(user)) {
      const id = jobOfVolume(name);
      if (id && !open.has(id)) over.set(id, { id, user, space: name.split(".")[1] ?? "" });
    }
  }
  for (const job of over.values()) {
    await discardJob(deps, job).catch((error: unknown) => {
      deps.log.warn({ err: error, command: job.id }, "what a job left could not be removed");
    });
  }
}
