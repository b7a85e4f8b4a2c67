import { Readable } from "node:stream";
import { readRange, resolveRange } from "#protocol/byte-range.ts";
import { PerigeeError } from "#protocol/errors.ts";
import { SAFE_HEADERS } from "../../http/safe-headers.ts";
import type { DialectCore } from "../core.ts";
import type { DialectContext } from "../dialect.ts";
import { type KnownJob, stateOf } from "./job-state.ts";
import { resultKey, resultsOf } from "./kept.ts";
import type { Owner } from "./owner.ts";
import { refusal, TEXTS } from "./refusals.ts";

const TYPE = "application/zip";
const DISPOSITION = "attachment; filename=results.zip";
const REDIRECT_SECONDS = 15 * 60;

/** Removes the zips of a job's runs but that of `command`, its newest. */
export async function removeEarlierResults(
  { staging }: Pick<DialectCore, "staging">,
  owner: Owner,
  job: number,
  command: string,
): Promise<void> {
  for (const name of await staging.listNames(resultsOf(owner, job))) {
    if (name !== command) await staging.deletePrefix(resultKey(owner, job, name));
  }
}

/** GET …?result: the zip of the newest run. */
export async function resultAnswer(
  c: DialectContext,
  core: DialectCore,
  owner: Owner,
  known: KnownJob,
): Promise<Response> {
  const { run, job } = known;
  const size = run?.end?.resultBytes;
  if (stateOf(known) !== "done" || !run || size === null || size === undefined) throw refusal(TEXTS.noResult);
  const key = resultKey(owner, job.id, run.command);
  const etag = `"${run.command}"`;
  const headers = {
    "content-type": TYPE,
    "content-disposition": DISPOSITION,
    etag,
    "accept-ranges": "bytes",
    ...SAFE_HEADERS,
  };
  if (size > (core.passBytes ?? Number.POSITIVE_INFINITY)) {
    const location = await core.staging.signGet(key, REDIRECT_SECONDS, {
      type: TYPE,
      disposition: DISPOSITION,
    });
    return new Response(null, { status: 302, headers: { ...headers, location, "content-length": "0" } });
  }
  const ifRange = c.req.header("if-range");
  const header = ifRange === undefined || ifRange === etag ? c.req.header("range") : undefined;
  const asked = resolveRange(readRange(header), size);
  const part = asked === "unsatisfiable" ? undefined : asked;
  const length = part ? part.end - part.start + 1 : size;
  const all = {
    ...headers,
    "content-length": String(length),
    ...(part && { "content-range": `bytes ${part.start}-${part.end}/${size}` }),
  };
  const status = part ? 206 : 200;
  if (c.req.method === "HEAD") return new Response(null, { status, headers: all });
  const body = await open(core, key, part);
  body.once("error", (error) => core.log.error({ err: error, command: run.command }, "a result was cut"));
  return new Response(Readable.toWeb(body) as ReadableStream<Uint8Array>, { status, headers: all });
}

async function open({ staging }: DialectCore, key: string, part: { start: number; end: number } | undefined) {
  try {
    return (await staging.get(key, part)).body;
  } catch (error) {
    if (error instanceof PerigeeError && error.code === "FILE_NOT_FOUND") throw refusal(TEXTS.resultGone);
    throw error;
  }
}
