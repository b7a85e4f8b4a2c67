import { degreesToRadians, ecfToLookAngles, eciToEcf, gstime, propagate, twoline2satrec } from "satellite.js";
import type { ContactWindow } from "#protocol/contact-window.ts";
import { usage } from "../failure.ts";
import type { Elements } from "./elements.ts";
import type { Station } from "./station.ts";

export type Prediction = {
  stations: readonly Station[];
  /** degrees over the horizon */
  minElevation: number;
  /** ms since 1970 */
  from: number;
  until: number;
};

/** The satellite is looked for so often (ms): a shorter pass is not found. */
const STEP_MS = 20_000;
/** A pass that goes on at the end is followed for so long (ms); what never sets ends there. */
const PAST_END_MS = 24 * 3600_000;
const SECOND = 1000;

/** Julian day of 1970-01-01T00:00Z. */
const JD_1970 = 2_440_587.5;

/** When the elements were made, ms since 1970. @throws CliFailure USAGE for elements that mean nothing */
export function epochOf(elements: Elements): number {
  return (recordOf(elements).jdsatepoch - JD_1970) * 86_400_000;
}

/** Degrees over a station's horizon at which the satellite is at `at` (ms since 1970); below it they are negative. */
export function elevation(elements: Elements, station: Station): (at: number) => number {
  const record = recordOf(elements);
  const observer = {
    latitude: degreesToRadians(station.latitude),
    longitude: degreesToRadians(station.longitude),
    height: station.altitude / 1000,
  };
  return (at) => {
    const date = new Date(at);
    const state = propagate(record, date);
    if (!state)
      throw usage(`the elements say nothing of ${date.toISOString()}: the satellite has decayed by then`);
    const { elevation } = ecfToLookAngles(observer, eciToEcf(state.position, gstime(date)));
    return (elevation * 180) / Math.PI;
  };
}

/** When the satellite is over `minElevation` of each station, to the second, in the order of the starts. */
export function predictWindows(elements: Elements, prediction: Prediction): ContactWindow[] {
  const { stations, minElevation } = prediction;
  return stations
    .flatMap((station) => {
      const over = elevation(elements, station);
      return passes((at) => over(at) >= minElevation, prediction).map((pass) => ({
        ...pass,
        station: station.name,
      }));
    })
    .sort((a, b) => a.start - b.start);
}

/** The times in which `visible`; one that has begun before `from` begins there. */
function passes(
  visible: (at: number) => boolean,
  { from, until }: Pick<Prediction, "from" | "until">,
): { start: number; end: number }[] {
  const found: { start: number; end: number }[] = [];
  const begin = Math.ceil(from / SECOND) * SECOND;
  let start = visible(begin) ? begin : undefined;
  for (let at = begin; at < until || (start !== undefined && at < until + PAST_END_MS); at += STEP_MS) {
    const next = at + STEP_MS;
    const seen = visible(next);
    if (seen && start === undefined && next < until) start = firstSecond(at, next, visible);
    else if (!seen && start !== undefined) {
      found.push({ start, end: firstSecond(at, next, (moment) => !visible(moment)) });
      start = undefined;
    }
  }
  if (start !== undefined) found.push({ start, end: until });
  return found;
}

/** The first second after `before`, at which `is` does not hold, at which it does, as it does at `after`. */
function firstSecond(before: number, after: number, is: (at: number) => boolean): number {
  let [low, high] = [before / SECOND, after / SECOND];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (is(middle * SECOND)) high = middle;
    else low = middle;
  }
  return high * SECOND;
}

function recordOf({ line1, line2 }: Elements) {
  const record = twoline2satrec(line1, line2);
  if (record.error) throw usage(`the elements describe no orbit (error ${record.error} of SGP4)`);
  return record;
}
