import { commaList } from "#protocol/comma-list.ts";
import { MAX_WIDTH } from "../ledger/lane-options.ts";
import type { Dialect } from "./dialect.ts";

/**
 * The widths that the operator's PERIGEE_LANES sets, for example `kabuto=16,fpga=1`, by lane.
 * @throws Error that names a lane that no dialect has, one whose width is fixed, or what is no width
 */
export function laneWidths(all: readonly Dialect[], text: string | undefined): Record<string, number> {
  const lanes = new Map(all.flatMap((dialect) => dialect.lanes).map((lane) => [lane.name, lane]));
  const widths = new Map<string, number>();
  for (const item of commaList(text)) {
    const [, name = "", digits = ""] = /^([^=]+)=(\d{1,4})$/.exec(item) ?? [];
    const width = Number(digits);
    if (name === "" || width < 1 || width > MAX_WIDTH) {
      throw new Error(`PERIGEE_LANES: ${JSON.stringify(item)} is not <lane>=<width from 1 to ${MAX_WIDTH}>`);
    }
    const lane = lanes.get(name);
    if (!lane)
      throw new Error(`PERIGEE_LANES: there is no lane ${name}, only ${[...lanes.keys()].join(", ")}`);
    if (lane.fixedWidth && width !== lane.width) {
      throw new Error(`PERIGEE_LANES: the width of ${name} is ${lane.width}, and cannot be changed`);
    }
    if (widths.has(name)) throw new Error(`PERIGEE_LANES: ${name} is given twice`);
    widths.set(name, width);
  }
  return Object.fromEntries(widths);
}
