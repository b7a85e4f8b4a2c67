import fc from "fast-check";
import { expect, test } from "vitest";
import { windowFields } from "#protocol/window-fields.ts";
import { CliFailure } from "../failure.ts";
import { readPlan } from "./read-plan.ts";
import { planCsv } from "./write-plan.ts";

const NOW = Date.parse("2026-05-22T20:00:00Z");
const head = "start,end,station,uplink_bps,downlink_bps";
const first = "2026-05-22T20:41:00Z,2026-05-22T20:50:00Z,Svalbard,9600,";
const read = (text: string) => readPlan(text, "plan", NOW);

test("a plan that was written is read again, as CSV and as JSON", () => {
  const text = fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 20 });
  const station = text.map((name) => `s${name.trim()}`);
  const rate = fc.option(fc.integer({ min: 1, max: 1e12 }), { nil: undefined });
  const window = fc
    .record({
      start: fc.integer({ min: 1, max: 10_000 }),
      length: fc.integer({ min: 1, max: 1_000 }),
      station,
      up: rate,
      down: rate,
    })
    .map(({ start, length, station, up, down }) => ({
      start: NOW + start * 1000,
      end: NOW + (start + length) * 1000,
      station,
      ...(up !== undefined && { uplinkBps: up }),
      ...(down !== undefined && { downlinkBps: down }),
    }));
  fc.assert(
    fc.property(fc.array(window, { maxLength: 20 }), (windows) => {
      const json = JSON.stringify({ data: { windows: windows.map(windowFields) } });
      expect(read(planCsv(windows))).toEqual({ windows, over: 0 });
      expect(read(json)).toEqual({ windows, over: 0 });
    }),
  );
});

test("CSV has its fields in any order, quotes, comments, empty lines, a mark and lines as Windows ends them", () => {
  const text = `\ufeffstation, end ,start\r\n# a comment\r\n\r\n"Punta ""A"", Chile" ,2026-05-22T20:50:00Z,2026-05-22T20:41:00Z\r\n`;
  expect(read(text).windows).toMatchObject([{ station: 'Punta "A", Chile' }]);
});

test("windows that are over are left out and counted", () => {
  const over = "2020-05-22T20:41:00Z,2020-05-22T20:50:00Z,Svalbard,,";
  expect(read([head, over, first].join("\n"))).toMatchObject({ over: 1, windows: [{ station: "Svalbard" }] });
});

test.each([
  ["", `plan, line 1: must name the fields: ${head}`],
  ["start,end\n", `plan, line 1: station: is missing; the first line names the fields: ${head}`],
  ["start,end,station,start\n", "plan, line 1: start: is named twice"],
  [`${head}\n\n${first}\na,b`, "plan, line 4: has 2 cells; the first line names 5"],
  [`${head}\n"a`, "plan, line 2: a quoted cell does not end, or something follows its quotes"],
  [`${head}\n"a"b,,,,`, "plan, line 2: a quoted cell does not end, or something follows its quotes"],
  [
    `${head}\n${first}\n${first.replace("Z,S", ",S")}`,
    "plan, line 3: end: must be a time with its zone, such as 2026-05-22T12:10:00Z",
  ],
  [
    `${head},rate\n${first},1`,
    `plan, line 2: rate: no such field (start, end, station, uplink_bps, downlink_bps)`,
  ],
  ["[", "plan: is not JSON: "],
  ["{}", 'plan: must be a list of windows, or an object with one as "windows"'],
  ["[1]", "plan, window 1: must be an object"],
  ['[{"start":"2026-05-22T20:41:00Z","end":"2026-05-22T20:50:00Z"}]', "plan, window 1: station: is missing"],
])("%j is refused: %s", (text, message) => {
  expect(() => read(text)).toThrow(CliFailure);
  expect(() => read(text)).toThrow(message);
});

test("a file of more windows than anybody plans is refused before they are looked at", () => {
  expect(() => read(`[${"0,".repeat(10_000)}0]`)).toThrow("plan, window 1: must be an object");
  expect(() => read(`[${"{},".repeat(10_000)}{}]`)).toThrow("plan: more than 10000 windows");
});
