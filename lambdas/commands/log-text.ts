import type { Context } from "hono";
import { iteratorStream } from "../http/iterator-stream.ts";
import { SAFE_HEADERS } from "../http/safe-headers.ts";
import type { RowPage } from "../logs/log-rows.ts";
import type { CommandRowsOptions } from "./command-rows.ts";

type Rows = (options: CommandRowsOptions) => Promise<RowPage>;

const PAGE = 1000;
const WAIT_MS = 20_000;
/** ms that a process with a limit has left when a followed text ends: longer than rows are not waited for at its end. */
const LAST_MS = 12_000;

/** Does who asks want text, and no rows? */
export function wantsText(c: Context): boolean {
  const accepts = c.req.header("accept") ?? "";
  return /\btext\/plain\b/i.test(accepts) && !/\bapplication\/json\b/i.test(accepts);
}

/**
 * A log as text, a line for each row after the cursor; followed, also those that are written until it ends.
 * It ends before the time of the process does.
 * @param first its first rows: what is wrong with the request is told before the answer begins
 */
export function textAnswer(
  first: RowPage,
  rows: Rows,
  { follows, timeLeftMs }: { follows: boolean; timeLeftMs?: (() => number) | undefined },
): Response {
  const stop = new AbortController();
  const goesOn = () => follows && (timeLeftMs?.() ?? Number.POSITIVE_INFINITY) > LAST_MS;
  const lines = linesOf(first, (options) => rows({ ...options, signal: stop.signal }), goesOn);
  const body = iteratorStream(lines, () => stop.abort());
  return new Response(body, { headers: { "content-type": "text/plain; charset=utf-8", ...SAFE_HEADERS } });
}

async function* linesOf(first: RowPage, rows: Rows, goesOn: () => boolean): AsyncGenerator<Uint8Array> {
  for (let page = first; ; ) {
    if (page.rows.length > 0) yield Buffer.from(page.rows.map(({ text }) => `${text}\n`).join(""));
    const waits = goesOn();
    if (page.complete || (!waits && page.rows.length === 0)) return;
    page = await rows({ after: page.next, limit: PAGE, waitMs: waits ? WAIT_MS : 0 });
  }
}
