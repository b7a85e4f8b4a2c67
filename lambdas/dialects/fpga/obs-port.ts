import type { DialectSetting } from "../dialect.ts";

const MOST_PORT = 65_535;

/** Port of the object store; without it there is none. */
export const OBS_PORT: DialectSetting = {
  name: "OBS_PORT",
  wrong: (value) =>
    /^\d{1,5}$/.test(value) && Number(value) <= MOST_PORT
      ? undefined
      : `is no whole number from 0 (any free port) to ${MOST_PORT}`,
};
