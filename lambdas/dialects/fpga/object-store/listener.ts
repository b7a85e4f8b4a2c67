import type { DialectListener, DialectSetting } from "../../dialect.ts";
import type { FpgaParts } from "../parts.ts";
import { objectStore } from "./object-store.ts";

const MOST_PORT = 65_535;

/** Port of the object store; without it there is none. */
export const OBS_PORT: DialectSetting = {
  name: "OBS_PORT",
  wrong: (value) =>
    /^\d{1,5}$/.test(value) && Number(value) <= MOST_PORT
      ? undefined
      : `is no whole number from 0 (any free port) to ${MOST_PORT}`,
};

/** The object store's listener, where the operator wants one. */
export function objectStoreListeners(parts: FpgaParts): DialectListener[] {
  const port = parts.core.setting(OBS_PORT.name);
  if (port === undefined) return [];
  return [{ name: "object store", port: Number(port), app: objectStore(parts) }];
}
