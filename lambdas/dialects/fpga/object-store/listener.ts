import { wrongPort } from "../../../http/port.ts";
import type { DialectListener, DialectSetting } from "../../dialect.ts";
import type { FpgaParts } from "../parts.ts";
import { objectStore } from "./object-store.ts";

/** Port of the object store; without it there is none. */
export const OBS_PORT: DialectSetting = {
  name: "OBS_PORT",
  wrong: wrongPort,
};

/** The object store's listener, where the operator wants one. */
export function objectStoreListeners(parts: FpgaParts): DialectListener[] {
  const port = parts.core.setting(OBS_PORT.name);
  if (port === undefined) return [];
  return [{ name: "object store", port: Number(port), app: objectStore(parts) }];
}
