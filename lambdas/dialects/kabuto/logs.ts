import type { DialectCore } from "../core.ts";
import type { DialectContext } from "../dialect.ts";
import { jobRows, type Row } from "./job-rows.ts";
import { countedLogs } from "./log-size.ts";
import { loggedJob } from "./logged-runs.ts";
import { type Given, readParameters, wholeNumber } from "./parameters.ts";
import { queryOf } from "./query.ts";
import { parameterError, refusal, TEXTS } from "./refusals.ts";
import { streamed } from "./streamed.ts";
import { waitMs } from "./wait.ts";

/** GET /execution/<job>/logs, /execution/<job>/logs/<log_id>: rows after the last one that the client has. */
export async function getLogs(c: DialectContext, core: DialectCore): Promise<Response> {
  const job = await loggedJob(c, core);
  const from = c.req.param("log") ?? "0";
  if (!/^\d+$/.test(from)) throw refusal(TEXTS.logId);
  const asked = queryOf(c).get("limit") ?? "";
  const limit = /^[1-9]\d{0,8}$/.test(asked) ? Number(asked) : Number.POSITIVE_INFINITY;
  const logs = countedLogs(core);
  const rows = jobRows(logs, job, { after: Number(from), limit, waitMs: waitMs(c) });
  const headers = { "content-type": "application/json" };
  // what is wrong is told while a status can be
  const first = await rows.next();
  return streamed(c, core, jsonOf(first, rows), { ...headers, "x-log-size": String(await logs.size(job)) });
}

/** POST /execution/<job>/logs: the same rows as a text, or a part of it. */
export async function postLogs(c: DialectContext, core: DialectCore): Promise<Response> {
  const job = await loggedJob(c, core);
  const { given } = await readParameters(c);
  const start = bytesOf(given, "start_byte");
  const size = bytesOf(given, "size");
  const total = await countedLogs(core).size(job);
  const headers = {
    "content-type": "text/plain; charset=utf-8",
    "content-disposition": `attachment; filename=job_${job.job}_logs.txt`,
    "x-log-size": String(total),
  };
  const end = size === 0 ? Number.POSITIVE_INFINITY : start + size;
  return streamed(c, core, start >= total ? [] : textOf(jobRows(core, job), start, end), headers);
}

async function* jsonOf(first: IteratorResult<Row>, rest: AsyncIterable<Row>): AsyncGenerator<Buffer> {
  if (first.done) {
    yield Buffer.from("[]");
    return;
  }
  yield Buffer.from(`[${JSON.stringify(first.value)}`);
  for await (const row of rest) yield Buffer.from(`,${JSON.stringify(row)}`);
  yield Buffer.from("]");
}

/** Bytes `start` to `end` of the rows' text. */
async function* textOf(rows: AsyncIterable<Row>, start: number, end: number): AsyncGenerator<Buffer> {
  let at = 0;
  for await (const { logline } of rows) {
    const line = Buffer.from(`${logline}\n`);
    const part = line.subarray(Math.max(0, start - at), Math.max(0, end - at));
    at += line.length;
    if (part.length > 0) yield part;
    if (at >= end) return;
  }
}

function bytesOf(given: Given, name: string): number {
  const value = wholeNumber(name, given.get(name) ?? "0");
  if (value < 0) throw parameterError(name, "must not be negative");
  return value;
}
