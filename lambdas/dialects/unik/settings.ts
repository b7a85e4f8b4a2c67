import { wrongPort } from "../../http/port.ts";
import type { DialectCore } from "../core.ts";
import type { DialectSetting } from "../dialect.ts";
import { REGION } from "./hub/foreign-url.ts";
import { type ListedHost, readHubList } from "./hub/hub-list.ts";

/** Port of a listener with the routes at its root; without it there is none. */
export const UNIK_PORT: DialectSetting = { name: "UNIK_PORT", wrong: wrongPort };

/** Hosts at which hubs elsewhere may be; without it there is none. */
export const UNIK_HUBS: DialectSetting = {
  name: "UNIK_HUBS",
  wrong(value) {
    try {
      readHubList(value);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  },
};

/** Region of `s3://`, and for which requests to hosts are signed whose name tells none. */
export const UNIK_HUBS_REGION: DialectSetting = {
  name: "UNIK_HUBS_REGION",
  wrong: (value) => (REGION.test(value) ? undefined : "is no region"),
};

export function hubHosts(core: Pick<DialectCore, "setting">): ListedHost[] {
  return readHubList(core.setting(UNIK_HUBS.name));
}

export function hubRegion(core: Pick<DialectCore, "setting">): string {
  return core.setting(UNIK_HUBS_REGION.name) ?? "us-east-1";
}
