import { readFileSync } from "node:fs";
import { type Command, InvalidArgumentError } from "commander";
import { readWindow, WINDOW_FIELDS, windowFields } from "#protocol/window-fields.ts";
import { CliFailure } from "../failure.ts";
import { collect, moment, wholeNumber } from "../options.ts";
import { action, type Session } from "../session.ts";
import { checkedOption } from "../windows/checked-option.ts";
import { readElements } from "../windows/elements.ts";
import { type Station, station } from "../windows/station.ts";
import { planCsv } from "../windows/write-plan.ts";

type PredictOptions = {
  tle: string;
  station: Station[];
  minElevation: number;
  from?: string;
  days: number;
  uplinkBps?: string;
  downlinkBps?: string;
  csv?: boolean;
};

const MOST_DAYS = 30;
const DAY_MS = 24 * 3600_000;
/** Elements of a low orbit are off by minutes after so long. */
const OLD_MS = 14 * DAY_MS;

/** `perigee window predict`: windows from orbital elements, shown and not written. */
export function registerPredict(window: Command): void {
  window
    .command("predict")
    .description("show when a satellite is over ground stations, for perigee window import")
    .requiredOption("--tle <file>", "its two lines of orbital elements")
    .requiredOption(
      "--station <name,lat,lon,alt>",
      "degrees north and east, metres; repeatable",
      collect(station),
    )
    .option("--min-elevation <degrees>", "least height over the horizon", degrees, 5)
    .option("--from <time>", "begin (default: now)", moment)
    .option("--days <days>", "for how long", wholeNumber(1, MOST_DAYS), 7)
    .option("--uplink-bps <rate>", "expected rate to the edge, bit/s, for each window")
    .option("--downlink-bps <rate>", "expected rate from the edge, bit/s, for each window")
    .option("--csv", "as a file for perigee window import")
    .action(action<[], PredictOptions>(predict));
}

async function predict({ output }: Session, _: [], options: PredictOptions): Promise<undefined> {
  const { tle, station: stations, minElevation, days, uplinkBps, downlinkBps, csv } = options;
  let text: string;
  try {
    text = readFileSync(tle, "utf8");
  } catch (error) {
    throw new CliFailure("LOCAL_FILE", `${tle} cannot be read: ${(error as Error).message}`);
  }
  const elements = readElements(text, tle);
  const from = options.from === undefined ? Date.now() : Date.parse(options.from);
  const until = from + days * DAY_MS;
  // only here: no other verb needs the library
  const { epochOf, predictWindows } = await import("../windows/predict.ts");
  const age = Math.max(until - epochOf(elements), epochOf(elements) - from);
  if (age > OLD_MS) {
    output.notice(
      `the elements are of ${new Date(epochOf(elements)).toISOString()}: windows may be off by minutes`,
    );
  }
  const windows = predictWindows(elements, { stations, minElevation, from, until }).map((window) => {
    const rates = { uplink_bps: uplinkBps, downlink_bps: downlinkBps };
    return checkedOption(() => readWindow({ ...windowFields(window), ...rates }, from));
  });
  const rows = windows.map(windowFields);
  const body = { message: "Predicted windows", data: { satellite: elements.name ?? null, windows: rows } };
  output.result(body, () =>
    csv
      ? planCsv(windows)
      : output.table(
          WINDOW_FIELDS.slice(0, 3).map((name) => name.toUpperCase()),
          rows.map((row) => [row.start, row.end, row.station]),
          { cut: [2] },
        ),
  );
}

function degrees(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!(value >= 0 && value < 90)) throw new InvalidArgumentError("Must be degrees from 0 to under 90.");
  return value;
}
