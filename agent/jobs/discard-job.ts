import type { Logger } from "pino";
import type { JobDeps } from "./job-deps.ts";
import { jobOfVolume, volumesOf } from "./job-volumes.ts";

/** A job as its records name it. */
type Job = { id: string; user: string; space: string };

/** Removes what the edge has of a job: its volumes, what was received for them, and its run, which is ended if need be. */
export async function discardJob({ volumes, pods }: JobDeps, { id, user, space }: Job): Promise<void> {
  pods.letGo(id);
  for (const [n, volume] of volumesOf(id, space).all.entries()) {
    // Of an earlier try that was cut the trash may still have it.
    await volumes.trash.empty(`${id}.${n}`);
    volumes.takeAway(user, volume, `${id}.${n}`);
    await volumes.trash.empty(`${id}.${n}`);
  }
  volumes.discardIncoming(id);
  await volumes.trash.empty(`${id}.incoming`);
}

/** Discards every job whose command is not in the journal: the ground has ended it, or it was given up. */
export async function sweepJobs(
  deps: JobDeps,
  journal: { open(): { command: string }[] },
  log: Logger,
): Promise<void> {
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
      log.warn({ err: error, command: job.id }, "what a job left could not be removed");
    });
  }
}
