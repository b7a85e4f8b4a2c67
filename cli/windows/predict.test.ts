import { expect, test } from "vitest";
import { readElements } from "./elements.ts";
import { elevation, epochOf, predictWindows } from "./predict.ts";
import { station } from "./station.ts";

const ISS = `ISS (ZARYA)
1 25544U 98067A   08264.51782528 -.00002182  00000-0 -11606-4 0  2927
2 25544  51.6416 247.4627 0006703 130.5360 325.0288 15.72125391563537
`;
const elements = readElements(ISS, "iss.tle");
const berlin = station("Berlin,52.52,13.4,40");
const vienna = station("Vienna,48.2,16.37,190");
const pole = station("South Pole,-90,0,2800");
const from = Date.parse("2008-09-20T12:00:00Z");
const DAY = 24 * 3600_000;

test("the elements' name and time are read", () => {
  expect(elements.name).toBe("ISS (ZARYA)");
  expect(Math.abs(epochOf(elements) - Date.parse("2008-09-20T12:25:40.104Z"))).toBeLessThan(50);
});

test("a window holds exactly the seconds in which the satellite is over the least elevation", () => {
  const minElevation = 10;
  const windows = predictWindows(elements, {
    stations: [berlin, vienna],
    minElevation,
    from,
    until: from + DAY,
  });
  expect(windows.map(({ start }) => start)).toEqual(
    windows.map(({ start }) => start).toSorted((a, b) => a - b),
  );
  for (const one of [berlin, vienna]) {
    const over = elevation(elements, one);
    const own = windows.filter((window) => window.station === one.name);
    expect(own.length).toBeGreaterThan(3);
    for (const { start, end } of own) {
      expect(over(start - 1000)).toBeLessThan(minElevation);
      expect(over(start)).toBeGreaterThanOrEqual(minElevation);
      expect(over(end - 1000)).toBeGreaterThanOrEqual(minElevation);
      expect(over(end)).toBeLessThan(minElevation);
      // a pass of the station over any place on the ground takes minutes
      expect(end - start).toBeLessThan(12 * 60_000);
    }
    const inside = (at: number) => own.some(({ start, end }) => start <= at && at < end);
    for (let at = from; at < from + DAY; at += 20_000) expect(inside(at)).toBe(over(at) >= minElevation);
  }
});

test("what is never seen has no window, and one that has begun begins with the prediction", () => {
  const prediction = { stations: [pole], minElevation: 5, from, until: from + DAY };
  expect(predictWindows(elements, prediction)).toEqual([]);
  const [first] = predictWindows(elements, { ...prediction, stations: [berlin] });
  const middle = Math.floor((first!.start + first!.end) / 2000) * 1000;
  const [again] = predictWindows(elements, { ...prediction, stations: [berlin], from: middle });
  expect(again).toEqual({ ...first, start: middle });
});

test("a pass that goes on at the end is told whole, and the next one is not", () => {
  const prediction = { stations: [berlin], minElevation: 5, from };
  const [first, second] = predictWindows(elements, { ...prediction, until: from + DAY });
  const until = first!.start + 60_000;
  expect(predictWindows(elements, { ...prediction, until })).toEqual([first]);
  expect(second!.start).toBeGreaterThan(until);
});

const [, one = "", two = ""] = ISS.split("\n");
test.each([
  ["", 'a.tle: must hold a line of elements that begins with "1 ", and after it one with "2 "'],
  [`${one}\n`, 'a.tle: must hold a line of elements that begins with "1 ", and after it one with "2 "'],
  [
    `${two}\n${one}\n`,
    'a.tle: must hold a line of elements that begins with "1 ", and after it one with "2 "',
  ],
  [`${one}\n${two.slice(0, 60)}\n`, "a.tle, line 2: has 60 characters, must have 69"],
  [`${one}\n${two.slice(0, 68)}8\n`, "a.tle, line 2: its checksum is 8, must be 7"],
  [`${ISS}${ISS}`, "a.tle, line 4: must hold one satellite only"],
])("elements %j are refused: %s", (text, message) => {
  expect(() => readElements(text, "a.tle")).toThrow(message);
});

test.each([
  ["Svalbard", "station: must have a name"],
  ["Svalbard,91,15,0", "LAT: must be degrees north"],
  ["Svalbard,78,,0", "LON: must be degrees east"],
  ["Svalbard,78,15,1e9", "ALT: must be metres"],
])("station %s is refused: %s", (text, message) => {
  expect(() => station(text)).toThrow(message);
});

test("a station's name may hold commas", () => {
  expect(station("Punta Arenas, Chile,-53,-70.9,10")).toEqual({
    name: "Punta Arenas, Chile",
    latitude: -53,
    longitude: -70.9,
    altitude: 10,
  });
});
