import type { ForeignPlace } from "../../../ports/foreign-buckets.ts";
import type { ListedHost } from "./hub-list.ts";

/** Where a hub elsewhere is, and the log-in that stands in its URL; empty where there is none. */
export type ForeignAddress = {
  place: ForeignPlace;
  /** of its keys, without a slash at the end; empty where there is none */
  prefix: string;
  name: string;
  password: string;
};

export const REGION = /^[a-z]{2}(?:-[a-z0-9]+){1,4}$/;
/** Without those of directories (`--x-s3`), which are asked for at other hosts. */
const BUCKET = /^(?!.*(?:\.\.|--x-s3$))[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
/** Hosts of S3's own say in which region they are. */
const OWN_HOST = /^s3[.-](?:dualstack\.)?([a-z]{2}(?:-[a-z0-9]+)+)\.amazonaws\.com(?:\.cn)?$/;
/** Characters of a prefix: with the rest of a key it stays below S3's 1024 bytes. */
const MOST_PREFIX = 500;

/**
 * What a URL of a hub elsewhere says: `s3://bucket/prefix`, of S3 itself in `region`, or `https://host/bucket/prefix`.
 * Its host and port have to be listed. Pure.
 * @returns undefined for everything else
 */
export function readForeignUrl(
  text: string,
  { hosts, region }: { hosts: readonly ListedHost[]; region: string },
): ForeignAddress | undefined {
  const url = URL.parse(text.trim());
  if (!url || text.trim().length > 2000 || url.search !== "" || url.hash !== "") return undefined;
  // a URL of https reads a backslash as a slash, and others do not
  if (text.includes("\\")) return undefined;
  const isS3 = url.protocol === "s3:";
  if (!isS3 && url.protocol !== "https:") return undefined;
  if (isS3 && url.port !== "") return undefined;
  const host = isS3 ? hostOf(region) : url.hostname;
  const port = isS3 || url.port === "" ? 443 : Number(url.port);
  const listed = hosts.filter((one) => one.host === host && one.port === port);
  if (listed.length === 0) return undefined;
  try {
    const path = url.pathname.replace(/^\/|\/$/g, "");
    const parts = path === "" ? [] : path.split("/").map(decodeURIComponent);
    const [bucket, ...prefix] = isS3 ? [url.hostname, ...parts] : parts;
    if (bucket === undefined || !BUCKET.test(bucket) || !prefix.every(isPart)) return undefined;
    if (prefix.join("/").length > MOST_PREFIX) return undefined;
    return {
      place: {
        host,
        port,
        bucket,
        region: OWN_HOST.exec(host)?.[1] ?? region,
        internal: listed.flatMap(({ internal }) => internal),
      },
      prefix: prefix.join("/"),
      name: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
    };
  } catch {
    return undefined;
  }
}

/** S3's own host of a region. */
function hostOf(region: string): string {
  return `s3.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
}

/** Plain characters alone: of a dot part, or a slash that was hidden, nobody makes another key. */
function isPart(part: string): boolean {
  return /^[\w.!*'() -]+$/.test(part) && !/^\.{1,2}$/.test(part);
}
