import { Readable } from "node:stream";
import { isTerminal } from "#protocol/state.ts";
import { json } from "../../http/json-answer.ts";
import { SAFE_HEADERS } from "../../http/safe-headers.ts";
import type { DialectCore } from "../core.ts";
import type { DialectContext } from "../dialect.ts";
import { findObject, idOf } from "./objects.ts";
import { ownerOf } from "./owner.ts";
import { readParameters } from "./parameters.ts";
import { queryOf } from "./query.ts";
import { keys, type RunRecord } from "./records.ts";
import { notAnInteger, parameterError, refusal, TEXTS } from "./refusals.ts";
import { knownPodOf } from "./submissions.ts";
import { waitMs } from "./wait.ts";

/** Ids of rows: `(run - 1) * RUN_BYTES` and the offset in the run's log at which the row ends. */
const RUN_BYTES = 2 ** 40;
const PAGE = 10_000;
const DROPPED = "[older log lines were dropped]";

type Row = { id: number; job: number; logline: string; time?: string };
/** One of the two newest runs of a job. */
type LoggedRun = { run: number; command: string; edge: string };

/** GET /execution/<job>/logs, /execution/<job>/logs/<log_id>: rows after the last one that the client has. */
export async function getLogs(c: DialectContext, core: DialectCore): Promise<Response> {
  const { user, job, runs } = await loggedRuns(c, core);
  const from = c.req.param("log") ?? "0";
  if (!/^\d{1,16}$/.test(from)) throw refusal(TEXTS.logId);
  const asked = queryOf(c).get("limit");
  const limit = asked !== null && /^[1-9]\d{0,8}$/.test(asked) ? Number(asked) : Number.POSITIVE_INFINITY;
  const rows: Row[] = [];
  for await (const row of rowsOf(core, { user, job, runs, after: Number(from), limit, waitMs: waitMs(c) })) {
    if (rows.push(row) >= limit) break;
  }
  return json(rows);
}

/** POST /execution/<job>/logs: the same rows as a text, or a part of it. */
export async function postLogs(c: DialectContext, core: DialectCore): Promise<Response> {
  const { user, job, runs } = await loggedRuns(c, core);
  const { given } = await readParameters(c);
  const start = wholeNumber("start_byte", given.get("start_byte"));
  const size = wholeNumber("size", given.get("size"));
  const of = { user, job, runs, after: 0, limit: Number.POSITIVE_INFINITY, waitMs: 0 };
  const pieces: Buffer[] = [];
  for await (const { logline } of rowsOf(core, of)) pieces.push(Buffer.from(`${logline}\n`));
  const text = Buffer.concat(pieces);
  const part = text.subarray(start, size === 0 ? undefined : start + size);
  const headers = {
    "content-type": "text/plain; charset=utf-8",
    "content-disposition": `attachment; filename=job_${job}_logs.txt`,
    "content-length": String(part.length),
    "x-log-size": String(text.length),
    ...SAFE_HEADERS,
  };
  return new Response(Readable.toWeb(Readable.from([part])) as ReadableStream<Uint8Array>, { headers });
}

async function loggedRuns(
  c: DialectContext,
  core: DialectCore,
): Promise<{ user: string; job: number; runs: LoggedRun[] }> {
  const { user, uid } = await ownerOf(c, core);
  const item = await findObject(core.records, uid, "job", idOf(c.req.param("job")));
  if (!item) throw refusal(TEXTS.noJob);
  const job = item.data.id;
  const newest = (await core.records.get<RunRecord>(keys.run(uid, job)))?.data;
  if (!newest) return { user, job, runs: [] };
  const { run, command, previous, edge } = newest;
  const before = previous === undefined ? [] : [{ run: run - 1, command: previous, edge }];
  return { user, job, runs: [...before, { run, command, edge }] };
}

type RowsOptions = {
  user: string;
  job: number;
  runs: readonly LoggedRun[];
  after: number;
  limit: number;
  waitMs: number;
};

async function* rowsOf(core: DialectCore, of: RowsOptions): AsyncGenerator<Row> {
  const { user, job, runs, after } = of;
  for (const { run, command, edge } of runs) {
    const base = (run - 1) * RUN_BYTES;
    if (after >= base + RUN_BYTES) continue;
    let from = Math.max(0, after - base);
    const newest = run === runs.at(-1)!.run;
    const key = { edge, user, pod: knownPodOf(job), run: command };
    const ended = async () => isTerminal((await core.commands.command(user, command)).state);
    let waits = newest ? of.waitMs : 0;
    for (;;) {
      const page = await core.podLogs.rows(key, {
        after: from,
        limit: Math.min(PAGE, of.limit),
        ended: newest ? ended : () => true,
        waitMs: waits,
      });
      // it waits for the first row alone
      waits = 0;
      if (page.dropped && page.rows.length > 0) {
        // what is left out ends where the first row that is kept begins
        const begins = await firstKept(core, key, page.rows[0]!.cursor);
        yield { id: base + begins, job, logline: DROPPED };
      }
      for (const { cursor, text, time } of page.rows) {
        yield { id: base + cursor, job, logline: text, ...(time !== undefined && { time }) };
      }
      if (page.rows.length === 0) break;
      from = page.next;
    }
  }
}

async function firstKept(
  core: DialectCore,
  key: Parameters<DialectCore["podLogs"]["rows"]>[0],
  before: number,
): Promise<number> {
  return Math.max(1, Math.min(before - 1, await core.podLogs.begins(key)));
}

function wholeNumber(name: string, text = "0"): number {
  if (!/^[+-]?\d{1,16}$/.test(text.trim())) throw notAnInteger(name, text);
  const value = Number(text);
  if (value < 0) throw parameterError(name, "must not be negative");
  return value;
}
