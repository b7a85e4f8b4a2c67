import type { Command } from "commander";
import { followRows, type LogRow, showRows } from "../log-rows.ts";
import { safe } from "../output/text.ts";
import { writeOut } from "../output/write-out.ts";
import { action, type Session } from "../session.ts";

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
  { client, output }: Session,
  [id]: [string],
  { follow = false }: { follow?: boolean },
): Promise<undefined> {
  const text = (row: LogRow) => `${output.json ? JSON.stringify(row) : safe(row.text)}\n`;
  const show = (rows: LogRow[]) => writeOut(rows.map(text).join(""));
  if (follow) await followRows(client, id, client.patience(), { show });
  else await showRows(client, id, show);
}
