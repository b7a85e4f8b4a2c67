import type { Client } from "./client.ts";
import { CliFailure, EXIT } from "./failure.ts";
import { query } from "./options.ts";
import type { Patience } from "./patience.ts";

export type LogRow = { cursor: number; time?: string; stream?: "stderr"; text: string };
type Page = { rows: LogRow[]; next: number; dropped: boolean; complete: boolean };

/** Seconds that one request waits for a row. */
const WAIT_S = 20;
/** An empty answer that comes sooner than this (ms) did not wait: the next request does, for {@link PAUSE_MS}. */
const QUICK_MS = 1000;
const PAUSE_MS = 1000;

export type ShowRows = {
  /** is given what one answer brought */
  show(rows: LogRow[]): Promise<void>;
  /** Nothing more is waited for: what is there is shown, and that is all. */
  isOver?(): boolean;
};

/** Shows the log of a command until it is complete. */
export async function followRows(
  client: Client,
  id: string,
  patience: Patience,
  { show, isOver = () => false }: ShowRows,
): Promise<void> {
  for (let after = 0; ; ) {
    const before = performance.now();
    const over = isOver();
    const page = over ? await pageOf(client, id, after, 0) : await pageAgain(client, id, after, patience);
    await showPage(client, id, page, show);
    if (page.complete || (over && page.next === after)) return;
    const quick = page.next === after && performance.now() - before < QUICK_MS;
    after = page.next;
    if (quick) await patience.pause(PAUSE_MS);
  }
}

/** Shows what there is of the log of a command. */
export async function showRows(client: Client, id: string, show: ShowRows["show"]): Promise<void> {
  for (let after = 0; ; ) {
    const page = await pageOf(client, id, after, 0);
    await showPage(client, id, page, show);
    if (page.complete || page.next === after) return;
    after = page.next;
  }
}

async function showPage(client: Client, id: string, page: Page, show: ShowRows["show"]): Promise<void> {
  if (page.dropped) client.options.output.notice("older rows are kept no more", { command_id: id });
  await show(page.rows);
}

/** As {@link pageOf}, again while the ground does not answer, for as long as `--wait` allows. */
async function pageAgain(client: Client, id: string, after: number, patience: Patience): Promise<Page> {
  for (let tries = 0; ; tries++) {
    try {
      const page = await pageOf(client, id, after, WAIT_S);
      patience.moving();
      return page;
    } catch (error) {
      const transient = error instanceof CliFailure && error.exit === EXIT.unreachable;
      if (!transient || patience.blocked() <= 0) throw error;
      client.options.output.waiting("the ground does not answer", { command_id: id });
      await patience.again(tries);
    }
  }
}

/** Rows after a cursor; where there are none yet, those that come within `wait` seconds. */
async function pageOf(client: Client, id: string, after: number, wait: number): Promise<Page> {
  const { data } = await client.json({
    method: "GET",
    path: `/commands/${encodeURIComponent(id)}/log${query({ after, wait: wait || undefined })}`,
    idleMs: (wait + 30) * 1000,
  });
  return data as Page;
}
