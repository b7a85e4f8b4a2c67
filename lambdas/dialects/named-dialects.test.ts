import { expect, test } from "vitest";
import { groundSettings } from "../ground-settings.ts";
import { checkDialects } from "./check-dialects.ts";
import { DIALECTS, NAMED_DIALECTS } from "./index.ts";

const names = (environment: NodeJS.ProcessEnv) =>
  groundSettings(environment).dialects.map(({ name }) => name);

test("the APIs for FPGA images and of UniK are on only where they are named, and stand beside all others", () => {
  expect(NAMED_DIALECTS.map(({ name }) => name)).toEqual(["fpga", "unik"]);
  for (const none of [{}, { PERIGEE_DIALECTS: "" }, { PERIGEE_DIALECTS: "em,kabuto" }]) {
    for (const { name } of NAMED_DIALECTS) expect(names(none)).not.toContain(name);
  }
  expect(names({ PERIGEE_DIALECTS: "em,fpga" })).toEqual(["em", "fpga"]);
  expect(names({ PERIGEE_DIALECTS: "unik,em" })).toEqual(["em", "unik"]);
  checkDialects([...DIALECTS, ...NAMED_DIALECTS]);
});

test("its lane has a width where it is on", () => {
  expect(groundSettings({ PERIGEE_DIALECTS: "fpga", PERIGEE_LANES: "fpga=1" }).widths).toEqual({ fpga: 1 });
  expect(() => groundSettings({ PERIGEE_LANES: "fpga=1" })).toThrow("there is no lane fpga");
});
