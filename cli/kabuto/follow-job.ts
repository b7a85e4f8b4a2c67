import type { Client } from "../client.ts";
import { CliFailure } from "../failure.ts";
import { query } from "../options.ts";
import { duration, safe } from "../output/text.ts";
import { writeOut } from "../output/write-out.ts";
import type { Patience } from "../patience.ts";
import { askAgain, lostContact } from "./api.ts";
import { hasEnded, type Job, type JobPlace, readJob, standing } from "./job.ts";

export type LogRow = { id: number; job: number; logline: string; time?: string };
/** What is done with rows: where results are JSON on stdout, the log goes elsewhere. */
export type WriteRows = (rows: readonly LogRow[]) => Promise<void>;

/** Seconds that one request waits for something new. */
const WAIT_S = 20;
const ROWS = 1000;
/** An answer that comes sooner than this (ms) without anything new did not wait: the next request pauses so long. */
const QUICK_MS = 250;

/** Shows the log of a job as it comes, and says what is waited for, until the job has ended and all of it is shown. */
export async function followJob(
  client: Client,
  place: JobPlace,
  patience: Patience,
  write: WriteRows,
): Promise<Job> {
  const { output } = client.options;
  let after = 0;
  for (let wait = 0; ; ) {
    const before = performance.now();
    const job = await readJob(client, place, wait, patience);
    const ended = hasEnded(job);
    const waits = job.state === "in_queue" || job.state === "ready";
    const rows = waits ? [] : await rowsOf(client, place.id, after, ended ? 0 : WAIT_S, patience);
    if (rows.length > 0) {
      patience.moving();
      output.clear();
      await write(rows);
      after = rows.at(-1)!.id;
    } else if (ended || job.state === "ready") {
      output.clear();
      return job;
    } else await sayStanding(client, job, patience);
    const quick = rows.length === 0 && performance.now() - before < QUICK_MS;
    wait = waits ? WAIT_S : 0;
    if (quick) await patience.pause(QUICK_MS);
  }
}

/** The rows that are there after one. */
export async function rowsOf(
  client: Client,
  job: number,
  after: number,
  wait: number,
  patience: Patience,
): Promise<LogRow[]> {
  const path = `/execution/${job}/logs/${after}${query({ limit: ROWS, wait: wait || undefined })}`;
  const rows: unknown = await askAgain(client, path, wait, patience);
  return Array.isArray(rows) ? (rows as LogRow[]) : [];
}

/** Rows as lines on stdout; with `--json` each as an object. */
export function rowsOnStdout(json: boolean): WriteRows {
  return (rows) =>
    writeOut(rows.map((row) => `${json ? JSON.stringify(row) : safe(row.logline)}\n`).join(""));
}

async function sayStanding(client: Client, job: Job, patience: Patience): Promise<void> {
  const noContact = await lostContact(client);
  const stands = job.state === "in_queue" || noContact !== undefined;
  if (!stands) patience.moving();
  const text = `job ${job.id}: ${standing(job, noContact)}`;
  if (stands && patience.blocked() <= 0) {
    const after = patience.limitMs ? ` after ${duration(patience.limitMs)}` : "";
    throw new CliFailure(noContact ? "EM_UNREACHABLE" : "STILL_QUEUED", `${text}${after}`, {
      hint: `it goes on. Follow it: perigee kabuto logs -f ${job.id}; cancel it: perigee kabuto cancel ${job.id}`,
      fields: { job: job.id },
    });
  }
  client.options.output.waiting(text, { job: job.id, state: job.state });
}
