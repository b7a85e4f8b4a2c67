import { expect, test } from "vitest";
import { groundSettings } from "../ground-settings.ts";
import { checkDialects } from "./check-dialects.ts";
import { DIALECTS, NAMED_DIALECTS } from "./index.ts";

const names = (environment: NodeJS.ProcessEnv) =>
  groundSettings(environment).dialects.map(({ name }) => name);

test("the API for FPGA images is on only where it is named, and stands beside all others", () => {
  expect(NAMED_DIALECTS.map(({ name }) => name)).toEqual(["fpga"]);
  for (const none of [{}, { PERIGEE_DIALECTS: "" }, { PERIGEE_DIALECTS: "em,kabuto" }]) {
    expect(names(none)).not.toContain("fpga");
  }
  expect(names({ PERIGEE_DIALECTS: "em,fpga" })).toEqual(["em", "fpga"]);
  checkDialects([...DIALECTS, ...NAMED_DIALECTS]);
});

test("its lane has a width where it is on", () => {
  expect(groundSettings({ PERIGEE_DIALECTS: "fpga", PERIGEE_LANES: "fpga=1" }).widths).toEqual({ fpga: 1 });
  expect(() => groundSettings({ PERIGEE_LANES: "fpga=1" })).toThrow("there is no lane fpga");
});
