import { lstat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { failureFrom } from "../client.ts";
import { CliFailure } from "../failure.ts";
import { PartFile } from "../files/part-file.ts";
import type { Unpacked } from "../files/unpack-into.ts";
import { RangeMismatch, rangeHeaders, receive } from "../http/download.ts";
import { isCut, networkFailure } from "../http/network-error.ts";
import type { Session } from "../session.ts";
import { ask } from "./api.ts";
import { type JobPlace, pathOf } from "./job.ts";

const IDLE_MS = 120_000;
const MAX_CUTS = 5;

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
  await mustBeFree(target);
  const { client, output, signal } = session;
  const { edge, url } = client.options;
  const part = await PartFile.open(resolve(target), { url, edge, path: `${pathOf(job)}?result` });
  try {
    await receiveAll(session, job, part);
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
    const { rmdir } = await import("node:fs/promises");
    await rmdir(resolve(target));
    return found;
  } catch (error) {
    if (error instanceof CliFailure && error.exit !== 6) await part.discard();
    else await part.leave();
    throw error;
  }
}

/** @throws CliFailure LOCAL_FILE when something is there, or the directory around it is none */
export async function mustBeFree(target: string): Promise<void> {
  const around = dirname(resolve(target));
  const kind = await lstat(around).catch(() => undefined);
  if (!kind) throw new CliFailure("LOCAL_FILE", `there is no directory ${around}`);
  if (!(await lstat(target).catch(() => undefined))) return;
  throw new CliFailure("LOCAL_FILE", `${target} exists already`, {
    hint: "move it away, or name another place with -o",
  });
}

async function receiveAll(session: Session, job: JobPlace, part: PartFile): Promise<void> {
  const { client, output, signal } = session;
  const from = part.offset;
  for (let cuts = 0; ; ) {
    const before = part.offset;
    try {
      const call = {
        method: "GET",
        path: `${pathOf(job)}?result`,
        headers: rangeHeaders(part),
        idleMs: IDLE_MS,
      } as const;
      const answer = await client.send(call);
      if (answer.status >= 300) throw await failureFrom(answer);
      if (answer.headers["content-type"]?.startsWith("application/json")) {
        answer.body.resume();
        // asked once more, for the text of the refusal
        await ask(client, call, client.patience());
        throw new CliFailure("BAD_ANSWER", "the results are no zip");
      }
      await receive(answer, part, true, (done, total) =>
        output.step("receiving results", { done, total, from }),
      );
      output.clear();
      return;
    } catch (error) {
      if (signal.aborted) throw error;
      const unfit =
        error instanceof RangeMismatch || (error instanceof CliFailure && error.fields.status === 416);
      if (!isCut(error) && !unfit) throw networkFailure(error, session.url);
      cuts = part.offset > before ? 1 : cuts + 1;
      if (cuts > MAX_CUTS || client.options.waitMs === 0) throw networkFailure(error, session.url);
      if (unfit && part.offset > 0) await part.restart();
      await client.patience().pause(200 * 2 ** cuts);
    }
  }
}
