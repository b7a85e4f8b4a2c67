import { MiB } from "#protocol/limits.ts";
import type { CounterSeen } from "./objects.ts";
import type { JobRecord } from "./records.ts";
import { refusal, TEXTS } from "./refusals.ts";
import { textOf } from "./stored-text.ts";

/** Files of one job, and of all jobs of a user: empty ones take nothing of the quota. */
export const MOST_FILES = { job: 1_000, user: 20_000 };
/** Bytes of the commands of all jobs of a user together: a list of jobs holds them all. */
export const MOST_TEXT_BYTES = 8 * MiB;

/** What jobs take of their user's bounds. */
export type JobUse = { files: number; textBytes: number };

export function useOf(...jobs: Pick<JobRecord, "attachments" | "command">[]): JobUse {
  return {
    files: jobs.reduce((sum, { attachments }) => sum + (attachments?.count ?? 0), 0),
    textBytes: jobs.reduce((sum, { command }) => sum + Buffer.byteLength(textOf(command ?? "")), 0),
  };
}

/** What is used once `after` is in place of `before`. @throws a refusal where that is more than a user may have */
export function useAfter(counter: CounterSeen, before: JobUse, after: JobUse): JobUse {
  const files = Math.max(0, counter.files - before.files) + after.files;
  const textBytes = Math.max(0, counter.textBytes - before.textBytes) + after.textBytes;
  if (after.files > before.files) {
    if (after.files > MOST_FILES.job) throw refusal(TEXTS.tooManyFilesOfJob);
    if (files > MOST_FILES.user) throw refusal(TEXTS.tooManyFiles);
  }
  if (after.textBytes > before.textBytes && textBytes > MOST_TEXT_BYTES) throw refusal(TEXTS.tooMuchText);
  return { files, textBytes };
}
