import type { VolumeEntry } from "#protocol/wire.ts";
import type { DialectCore } from "../core.ts";
import type { Holdings } from "./holdings.ts";
import type { Offer } from "./offer.ts";
import type { Owner } from "./owner.ts";
import type { Provider } from "./records.ts";
import type { Volume } from "./volume-view.ts";

/** A user's volumes: those of this API, and those that others made, which are the user's data too. */
export async function volumesOf(
  core: Pick<DialectCore, "inventory">,
  owner: Owner,
  holdings: Holdings,
  offer: Offer,
): Promise<Volume[]> {
  const reported = await core.inventory.volumes(owner.edge, owner.user);
  return joined(holdings, reported?.items ?? [], offer);
}

/** Pure. */
export function joined(
  { volumes }: Pick<Holdings, "volumes">,
  entries: readonly VolumeEntry[],
  offer: Offer,
): Volume[] {
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const own = volumes
    .filter(({ making }) => making === undefined)
    .map((volume) => ({ ...volume, bytes: byName.get(volume.volume)?.size ?? 0 }));
  const taken = new Set(volumes.map(({ volume }) => volume));
  // what others' pods use
  const provider: Provider = offer.providers.includes("kubernetes") ? "kubernetes" : "docker";
  const others = entries
    .filter(({ name }) => !taken.has(name))
    .map(({ name, created, size }) => ({ name, volume: name, provider, createdAt: created, bytes: size }));
  return [...own, ...others];
}
