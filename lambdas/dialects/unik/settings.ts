import { wrongPort } from "../../http/port.ts";
import type { DialectSetting } from "../dialect.ts";

/** Port of a listener with the routes at its root; without it there is none. */
export const UNIK_PORT: DialectSetting = { name: "UNIK_PORT", wrong: wrongPort };
