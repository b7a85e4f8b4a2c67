/** A log-in that stands in the URL of this ground's hub; empty where there is none. */
export type HubAddress = { name: string; password: string };

const OWN: HubAddress = { name: "", password: "" };

/**
 * What a URL of a hub says, when it is this ground's: empty, or one that ends in `/unik/hub`, with or without an edge.
 * Pure.
 * @param base of the routes, as they were asked for: on a listener of its own there is none
 * @param hosts that mean this ground, in lower case
 * @returns undefined for every other hub
 */
export function readHubUrl(
  text: string,
  { base, hosts }: { base: string; hosts: readonly string[] },
): HubAddress | undefined {
  if (text.trim() === "") return OWN;
  const url = URL.parse(text);
  if (!url || !["http:", "https:"].includes(url.protocol) || !hosts.includes(url.host)) return undefined;
  const path = url.pathname.replace(/\/$/, "");
  const own = [BASED, ...(base === "" ? [BARE] : [])];
  if (!own.some((pattern) => pattern.test(path))) return undefined;
  try {
    return { name: decodeURIComponent(url.username), password: decodeURIComponent(url.password) };
  } catch {
    return undefined;
  }
}

const BASED = /^\/unik(?:\/[^/]+)?\/hub$/;
const BARE = /^(?:\/[^/]+)?\/hub$/;
