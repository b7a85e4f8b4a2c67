import type { DialectListener } from "../../dialect.ts";
import { OBS_PORT } from "../obs-port.ts";
import type { FpgaParts } from "../parts.ts";
import { objectStore } from "./object-store.ts";

/** The object store's listener, where the operator wants one. */
export function objectStoreListeners(parts: FpgaParts): DialectListener[] {
  const port = parts.core.setting(OBS_PORT.name);
  if (port === undefined) return [];
  return [{ name: "object store", port: Number(port), app: objectStore(parts) }];
}
