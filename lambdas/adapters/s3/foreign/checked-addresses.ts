import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { ForeignBucketFailed, type ForeignPlace } from "../../../ports/foreign-buckets.ts";
import { isInternal } from "../../internal-address.ts";

/** Finds the addresses of a name. */
export type Resolve = (name: string) => Promise<string[]>;

export const systemResolve: Resolve = async (name) =>
  (await lookup(name, { all: true })).map(({ address }) => address);

/**
 * The addresses of a place's host, which may be connected to.
 * @throws ForeignBucketFailed `forbidden` when one of them is internal and not listed, `failed` when there is none
 */
export async function checkedAddresses(
  { host, internal }: Pick<ForeignPlace, "host" | "internal">,
  { resolve, mostMs }: { resolve: Resolve; mostMs: number },
): Promise<string[]> {
  const name = host.replace(/^\[|\]$/g, "");
  const addresses = isIP(name) ? [name] : await within(mostMs, resolve(name)).catch(() => []);
  if (addresses.length === 0) throw new ForeignBucketFailed("failed", "its host is not found");
  // all of them: which one is taken is not known beforehand
  if (addresses.some((one) => isIP(one) === 0 || (isInternal(one) && !internal.includes(one)))) {
    throw new ForeignBucketFailed("forbidden", "an address of its host is internal, and not listed");
  }
  return addresses;
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error("too late")), ms);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}
