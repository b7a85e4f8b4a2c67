import { commaList } from "#protocol/comma-list.ts";
import { chosenDialects } from "./dialects/chosen-dialects.ts";
import type { Dialect } from "./dialects/dialect.ts";
import { DIALECTS, NAMED_DIALECTS } from "./dialects/index.ts";
import { laneWidths } from "./dialects/lane-widths.ts";
import { checkedSettings } from "./dialects/own-settings.ts";
import type { GroundOptions } from "./ground.ts";
import { PublicHosts } from "./http/public-hosts.ts";

export type GroundSettings = Pick<GroundOptions, "quota" | "widths" | "publicHosts" | "settings" | "live"> & {
  dialects: readonly Dialect[];
};

/**
 * The operator's settings that a server and a Lambda have in common: PERIGEE_QUOTA (bytes per user), PERIGEE_DIALECTS
 * (names joined by commas, default all), PERIGEE_LANES (`<lane>=<width>` joined by commas), PERIGEE_PUBLIC_HOSTS
 * (`host` or `host:port` joined by commas), PERIGEE_LIVE_URL (address of the relay of live sessions), and what is the dialects' own (own-settings.ts), checked as well.
 * @throws Error that names the setting and what is wrong with it
 */
export function groundSettings(environment: NodeJS.ProcessEnv): GroundSettings {
  const publicHosts = commaList(environment.PERIGEE_PUBLIC_HOSTS);
  // its rule is checked here, as the other settings' are
  void new PublicHosts({ hosts: publicHosts });
  const dialects = chosenDialects(DIALECTS, environment.PERIGEE_DIALECTS, NAMED_DIALECTS);
  void checkedSettings(dialects, environment);
  return {
    ...(environment.PERIGEE_QUOTA && { quota: Number(environment.PERIGEE_QUOTA) }),
    dialects,
    widths: laneWidths([...new Set([...DIALECTS, ...dialects])], environment.PERIGEE_LANES),
    publicHosts,
    settings: environment,
    ...(environment.PERIGEE_LIVE_URL && { live: { url: liveAddress(environment.PERIGEE_LIVE_URL) } }),
  };
}

/** @throws Error when it is no address of a relay */
function liveAddress(text: string): string {
  const url = URL.parse(text);
  const fits = url && ["http:", "https:", "ws:", "wss:"].includes(url.protocol) && !url.search && !url.hash;
  if (!fits || url.username)
    throw new Error(`PERIGEE_LIVE_URL: ${JSON.stringify(text)} is no address of a relay`);
  return text;
}
