import type { Client } from "../client.ts";
import { CliFailure } from "../failure.ts";
import type { Patience } from "../patience.ts";
import { ask, askAgain } from "./api.ts";

/** A job as Kabuto's API shows it. */
export type Job = {
  id: number;
  command: string | null;
  state: "ready" | "in_queue" | "running" | "done" | "failed";
  creation_date: string;
  response: number | null;
  used_cpu: number;
  used_memory: number;
  used_io: number;
  image: { id: number | null };
  pipeline: { id: number };
  run?: number;
  submitted?: string | null;
  started?: string | null;
  finished?: string | null;
  reason?: string | null;
  message?: string | null;
  position?: number | null;
  result_size?: number | null;
};
export type JobPlace = { id: number; pipeline: number };

export const placeOf = ({ id, pipeline }: Job): JobPlace => ({ id, pipeline: pipeline.id });
export const pathOf = ({ id, pipeline }: JobPlace) => `/pipeline/${pipeline}/job/${id}`;
export const hasEnded = ({ state }: Job) => state === "done" || state === "failed";

/** All jobs of the user, or those of a pipeline, in the order of their ids. */
export async function jobsOf(client: Client, patience: Patience, pipeline?: number): Promise<Job[]> {
  const path = pipeline === undefined ? "/jobs" : `/pipeline/${pipeline}/job`;
  const jobs = (await ask(client, { method: "GET", path }, patience)) as Record<string, unknown>;
  return (Object.values(jobs) as Job[]).sort((a, b) => a.id - b.id);
}

/** Finds a job by its id alone. @throws CliFailure JOB_NOT_FOUND */
export async function findJob(client: Client, id: number, patience: Patience): Promise<Job> {
  const found = (await jobsOf(client, patience)).find((job) => job.id === id);
  return found ?? missing(id);
}

/** The job as it is, or after its next change within `wait` seconds. @throws CliFailure JOB_NOT_FOUND */
export async function readJob(
  client: Client,
  place: JobPlace,
  wait: number,
  patience: Patience,
): Promise<Job> {
  const path = `${pathOf(place)}${wait > 0 ? `?wait=${wait}` : ""}`;
  const body = (await askAgain(client, path, wait, patience)) as Record<string, unknown>;
  return (body[place.id] as Job | undefined) ?? missing(place.id);
}

function missing(id: number): never {
  throw new CliFailure("JOB_NOT_FOUND", `there is no job ${id}`, {
    hint: "see your jobs: perigee kabuto jobs",
  });
}

/** A job's state in plain words: "queued behind an earlier job of its pipeline", "done, exit code 3". */
export function standing(job: Job, noContact?: string): string {
  const { state, reason, response, message } = job;
  if (state === "ready") return "not submitted yet";
  if (state === "in_queue") return noContact ? `queued, ${noContact}` : queued(job);
  if (state === "running") {
    const what = reason === "Sending" ? "ended, its results are on their way" : "running";
    return noContact ? `${what}, ${noContact}` : what;
  }
  const why = reason && !["Completed", "Error"].includes(reason) ? `: ${reason}` : "";
  const said = message ? ` (${message})` : "";
  return state === "done" ? `done, exit code ${response}${why}${said}` : `failed${why}${said}`;
}

function queued({ reason, position }: Job): string {
  if (reason === "NoContact") return "queued, no contact";
  if (reason === "Pipeline") return "queued behind an earlier job of its pipeline";
  if (reason === "Fetching") return "queued, its files are on their way to the edge";
  return position && position > 1 ? `queued, ${position - 1} ahead of it` : "queued";
}
