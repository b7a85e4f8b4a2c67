import type { EdgeOffer } from "#protocol/edge-offer.ts";
import { MiB } from "#protocol/limits.ts";
import type { DialectCore } from "../core.ts";

/** What an edge can do now, as its agent last told it. */
export type Offer = Pick<EdgeOffer, "providers" | "compilers"> & {
  /** MiB that one instance may have */
  mostMemoryMb?: number;
};

/** Nothing, where the edge has never told any. */
export async function offerOf({ inventory }: Pick<DialectCore, "inventory">, edge: string): Promise<Offer> {
  const told = await inventory.offer(edge);
  if (!told) return { providers: [], compilers: [] };
  const { providers, compilers, instanceMemoryBytes } = told;
  return {
    providers: [...providers].sort(),
    compilers,
    ...(instanceMemoryBytes !== undefined && { mostMemoryMb: Math.floor(instanceMemoryBytes / MiB) }),
  };
}
