import { wrongPort } from "../../http/port.ts";
import type { DialectSetting } from "../dialect.ts";

/** Port of the object store; without it there is none. */
export const OBS_PORT: DialectSetting = {
  name: "OBS_PORT",
  wrong: wrongPort,
};
