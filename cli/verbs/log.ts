import type { Command } from "commander";
import type { Client } from "../client.ts";
import { CliFailure, EXIT } from "../failure.ts";
import { query } from "../options.ts";
import { safe } from "../output/text.ts";
import { writeOut } from "../output/write-out.ts";
import type { Patience } from "../patience.ts";
import { action, type Session } from "../session.ts";

type Row = { cursor: number; time?: string; text: string };
type Page = { rows: Row[]; next: number; dropped: boolean; complete: boolean };

/** Seconds that one request waits for a row. */
const WAIT_S = 20;
/** An empty answer that comes sooner than this (ms) did not wait: the next request does, for {@link PAUSE_MS}. */
const QUICK_MS = 1000;
const PAUSE_MS = 1000;

/** `perigee log`: what a command wrote. Needs neither the edge's lock nor contact. */
export function registerLog(program: Command): void {
  program
    .command("log")
    .description("show the log of a command: of the run that it began, or of a build or load")
    .argument("<id>", "ID of a command")
    .option("-f, --follow", "follow the log until it is complete")
    .action(action<[string], { follow?: boolean }>(log));
}

async function log(
  session: Session,
  [id]: [string],
  { follow = false }: { follow?: boolean },
): Promise<undefined> {
  const { client, output } = session;
  const patience = client.patience();
  for (let after = 0; ; ) {
    const before = performance.now();
    const page = follow ? await pageAgain(client, id, after, patience) : await pageOf(client, id, after, 0);
    if (page.dropped) output.notice("older rows are kept no more", { command_id: id });
    await writeOut(
      page.rows.map((row) => `${output.json ? JSON.stringify(row) : safe(row.text)}\n`).join(""),
    );
    if (page.complete || (!follow && page.next === after)) return;
    const quick = page.next === after && performance.now() - before < QUICK_MS;
    after = page.next;
    if (quick) await patience.pause(PAUSE_MS);
  }
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
      await patience.pause(Math.min(10_000, 250 * 2 ** tries, patience.blocked()));
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
