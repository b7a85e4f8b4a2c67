import { inSpace } from "#protocol/names.ts";

/** The volumes of one job, by their names within its space, and with it. */
export type JobVolumes = { inbox: string; outbox: string; all: readonly [inbox: string, outbox: string] };

/** Volumes of the job with this command id: each run has its own. Pure. */
export function volumesOf(command: string, space: string): JobVolumes {
  const name = (end: string) => `job-${command.toLowerCase()}-${end}`;
  const [inbox, outbox] = [name("in"), name("out")];
  return { inbox, outbox, all: [inSpace(inbox, space), inSpace(outbox, space)] };
}

const OF_JOB = /^job-([0-9a-z]{26})-(?:in|out)\.[^.]+$/;

/** The id of the command whose volume has this name (with its space); undefined for a user's. Pure. */
export function jobOfVolume(name: string): string | undefined {
  return OF_JOB.exec(name)?.[1]?.toUpperCase();
}
