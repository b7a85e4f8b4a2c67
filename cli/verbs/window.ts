import { readFileSync } from "node:fs";
import type { Command } from "commander";
import type { ContactWindow } from "#protocol/contact-window.ts";
import { readTime, readWindow, windowFields } from "#protocol/window-fields.ts";
import { CliFailure, usage } from "../failure.ts";
import { withNoted } from "../operator-audit.ts";
import { type GroundOptions, type OperatorParts, withLedger } from "../operator-data.ts";
import { action, type Session } from "../session.ts";
import { checkedOption } from "../windows/checked-option.ts";
import { readPlan } from "../windows/read-plan.ts";
import { planCsv } from "../windows/write-plan.ts";
import { registerPredict } from "./window-predict.ts";

type AddOptions = GroundOptions & {
  start: string;
  end: string;
  station: string;
  uplinkBps?: string;
  downlinkBps?: string;
};
type RemoveOptions = GroundOptions & { start?: string; station?: string; all?: boolean };
type Windows = OperatorParts["windows"];

/** `perigee window add|list|remove|import|predict`: the operator's plans of contact windows. */
export function registerWindow(program: Command): void {
  const window = program
    .command("window")
    .description("operator: when an edge is expected to be in contact (docs/contact.md)");
  const verb = (name: string, text: string) =>
    window
      .command(name)
      .description(`operator: ${text}`)
      .option("--data <directory>", "the ground's data (default: PERIGEE_DATA)")
      .option("--table <name>", "the ground's table in AWS (default: PERIGEE_TABLE)")
      .argument("<edge>");
  verb("add", "add a window to an edge's plan")
    .requiredOption("--start <time>", "begin, ISO 8601 with a zone: 2026-05-22T20:41:00Z")
    .requiredOption("--end <time>", "end, the same")
    .requiredOption("--station <name>", "ground station")
    .option("--uplink-bps <rate>", "expected rate to the edge, bit/s")
    .option("--downlink-bps <rate>", "expected rate from the edge, bit/s")
    .action(action<[string], AddOptions>(add));
  verb("list", "show an edge's plan")
    .option("--csv", "as a file for perigee window import")
    .action(action<[string], GroundOptions & { csv?: boolean }>(list));
  verb("remove", "remove windows from an edge's plan: those of a start, of a station, of both, or all")
    .option("--start <time>", "begin of the window, as perigee window list shows it")
    .option("--station <name>", "ground station")
    .option("--all", "the whole plan")
    .action(action<[string], RemoveOptions>(remove));
  verb("import", "replace an edge's plan by the windows of a file, CSV or JSON")
    .argument("<file>")
    .action(action<[string, string], GroundOptions>(importFile));
  registerPredict(window);
}

async function add(session: Session, [edge]: [string], options: AddOptions): Promise<undefined> {
  const { start, end, station, uplinkBps, downlinkBps } = options;
  const fields = { start, end, station, uplink_bps: uplinkBps, downlink_bps: downlinkBps };
  const now = Date.now();
  const window = checkedOption(() => readWindow(fields, now));
  if (window.end <= now) throw usage("--end: the window is over");
  await changePlan(options, ["window add", edge, station, start], async (windows) => {
    const plan = await windows.change(edge, (all) => [...all, window]);
    told(session, edge, plan, `Added to the plan of ${edge}`);
  });
}

async function list(
  { output }: Session,
  [edge]: [string],
  options: GroundOptions & { csv?: boolean },
): Promise<undefined> {
  await withLedger(options, false, async ({ accounts, windows: stored }) => {
    await requireEdge(accounts, edge);
    const { revision = 0, windows = [] } = (await stored.plan(edge)) ?? {};
    const rows = windows.map(windowFields);
    output.result({ message: "Windows", data: { edge, revision, windows: rows } }, () =>
      options.csv
        ? planCsv(windows)
        : output.table(
            ["START", "END", "STATION", "UPLINK BIT/S", "DOWNLINK BIT/S"],
            rows.map((row) => [row.start, row.end, row.station, row.uplink_bps, row.downlink_bps]),
            { right: [3, 4], cut: [2] },
          ),
    );
  });
}

async function remove(session: Session, [edge]: [string], options: RemoveOptions): Promise<undefined> {
  const { start, station, all } = options;
  if (all ? start !== undefined || station !== undefined : start === undefined && station === undefined)
    throw usage("name what to remove: --start TIME, --station NAME, both, or --all alone");
  const at = start === undefined ? undefined : checkedOption(() => readTime(start, "start"));
  const meant = (one: ContactWindow) =>
    (at === undefined || one.start === at) && (station === undefined || one.station === station);
  const meantBy = all ? ["all"] : [station, start].flatMap((one) => one ?? []);
  await changePlan(options, ["window remove", edge, ...meantBy], async (windows) => {
    let removed = 0;
    const plan = await windows.change(edge, (before) => {
      const left = before.filter((one) => !meant(one));
      removed = before.length - left.length;
      return left;
    });
    if (removed === 0) throw new CliFailure("WINDOW_NOT_FOUND", `The plan of ${edge} has no such window`);
    told(session, edge, plan, `Removed ${removed} from the plan of ${edge}`);
  });
}

async function importFile(
  session: Session,
  [edge, file]: [string, string],
  options: GroundOptions,
): Promise<undefined> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new CliFailure("LOCAL_FILE", `${file} cannot be read: ${(error as Error).message}`);
  }
  const { windows, over } = readPlan(text, file, Date.now());
  await changePlan(options, ["window import", edge, `${windows.length} windows`], async (stored) => {
    const plan = await stored.change(edge, () => windows);
    if (over > 0) session.output.notice(`left out what is over: ${over}`);
    told(session, edge, plan, `Replaced the plan of ${edge}`);
  });
}

async function changePlan(
  ground: GroundOptions,
  [verb, edge, ...more]: [verb: string, edge: string, ...more: string[]],
  work: (windows: Windows) => Promise<void>,
): Promise<void> {
  await withNoted(ground, false, { verb, about: [edge, ...more] }, async ({ accounts, windows }) => {
    await requireEdge(accounts, edge);
    await work(windows);
  });
}

async function requireEdge(accounts: OperatorParts["accounts"], edge: string): Promise<void> {
  if ((await accounts.listEdges()).some(({ id }) => id === edge)) return;
  throw new CliFailure("EDGE_NOT_FOUND", `There is no edge ${edge}`);
}

function told(
  { output }: Session,
  edge: string,
  { revision, windows }: { revision: number; windows: readonly ContactWindow[] },
  message: string,
): void {
  const planned = windows.length;
  const count = planned === 1 ? "1 window" : `${planned} windows`;
  output.result(
    { message, data: { edge, revision, planned } },
    () => `${message}: ${count}, revision ${revision}`,
  );
}
