import { lstat, rmdir } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { failureFrom } from "../client.ts";
import { CliFailure, EXIT } from "../failure.ts";
import { mustBeFree } from "../files/must-be-free.ts";
import { PartFile } from "../files/part-file.ts";
import type { Unpacked } from "../files/unpack-into.ts";
import { rangeHeaders } from "../http/download.ts";
import { type DownloadSource, receiveThroughCuts } from "../http/receive-through-cuts.ts";
import type { Session } from "../session.ts";
import { ask } from "./api.ts";
import { type JobPlace, pathOf } from "./job.ts";

const IDLE_MS = 120_000;

/** Where results came to: a directory, or with `zip` the file; neither when the job left none. */
export type Results = Unpacked & { directory?: string; file?: string };

/**
 * Fetches the results of a job and unpacks them into the new directory `target`, or keeps the zip as that file. What is
 * cut is gone on with, also by the next run of the same command.
 * @throws CliFailure LOCAL_FILE, REFUSED (the job has no results), JOB_NOT_FOUND
 */
export async function fetchResults(
  session: Session,
  job: JobPlace,
  target: string,
  zip: boolean,
): Promise<Results> {
  await mustBePlace(target);
  const { client, output, signal } = session;
  const { edge, url } = client.options;
  const part = await PartFile.open(resolve(target), { url, edge, path: `${pathOf(job)}?result` });
  try {
    await receiveThroughCuts(session, zipOf(session, job), part, "receiving results");
    if (zip) {
      const size = part.offset;
      await part.finish();
      return { files: 1, directories: 0, bytes: size, file: resolve(target) };
    }
    const { extractZip } = await import("../files/extract-zip.ts");
    const found = await extractZip(part.path, resolve(target), {
      notice: (text) => output.notice(text),
      signal,
    });
    await part.discard();
    if (found.files > 0) return { ...found, directory: resolve(target) };
    // nothing was left: nor is an empty directory here
    await rmdir(resolve(target));
    return found;
  } catch (error) {
    if (error instanceof CliFailure && error.exit !== EXIT.unreachable) await part.discard();
    else await part.leave();
    throw error;
  }
}

/** @throws CliFailure LOCAL_FILE when something is there, or the directory around it is none */
export async function mustBePlace(target: string): Promise<void> {
  const around = dirname(resolve(target));
  const kind = await lstat(around).catch(() => undefined);
  if (!kind) throw new CliFailure("LOCAL_FILE", `there is no directory ${around}`);
  await mustBeFree(target);
}

function zipOf({ client }: Session, job: JobPlace): DownloadSource {
  return {
    async open(sink) {
      const path = `${pathOf(job)}?result`;
      const call = { method: "GET", path, headers: rangeHeaders(sink), idleMs: IDLE_MS } as const;
      const answer = await client.send(call);
      if (answer.status >= 300) throw await failureFrom(answer);
      if (answer.headers["content-type"]?.startsWith("application/json")) {
        answer.body.resume();
        // asked once more, for the text of the refusal
        await ask(client, call, client.patience());
        throw new CliFailure("BAD_ANSWER", "the results are no zip");
      }
      return { answer, same: true };
    },
  };
}
