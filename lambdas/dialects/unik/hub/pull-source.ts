import { PerigeeError } from "#protocol/errors.ts";
import type { DialectCore } from "../../core.ts";
import type { Asked } from "../asked.ts";
import { notFound } from "../lookup.ts";
import type { HubUser } from "../records.ts";
import { readEntries } from "./entries.ts";
import { foreignSource } from "./foreign-source.ts";
import type { Hub } from "./hub-of.ts";
import type { HubEntry } from "./hub-records.ts";
import { ambiguous, Gone, type Source } from "./pulled.ts";

/** The source for a hub: nothing is asked of it before an entry is. */
export function sourceOf({ core, owner }: Pick<Asked, "core" | "owner">, hub: Hub): Source {
  if ("foreign" in hub) return foreignSource(core, hub.foreign, owner.user);
  return {
    async entry(name, of) {
      const entry = await entryFor(core, { name, hub: hub.own, of });
      return {
        image: entry.image,
        bytes: entry.bytes,
        async stage(key) {
          await core.staging.copy(entry.key, key, entry.bytes).catch((error: unknown) => {
            throw isMissing(error) ? new Gone("IMAGE_NOT_FOUND", `image ${name} not found`) : error;
          });
          return { xxh64: entry.xxh64 };
        },
      };
    },
    close() {},
  };
}

/**
 * The entry that is meant: that of the owner who is named; else the hub user's own, else the only one.
 * @throws IMAGE_NOT_FOUND, AMBIGUOUS_NAME
 */
async function entryFor(
  core: DialectCore,
  { name, hub, of }: { name: string; hub: HubUser; of: string },
): Promise<HubEntry> {
  const entries = await readEntries(core, name);
  const meant = of === "" ? entries : entries.filter(({ user }) => user === of);
  const own = meant.find(({ uid }) => uid === hub.uid);
  const [only, ...others] = own ? [own] : meant;
  if (!only) throw notFound("image", name);
  if (others.length === 0) return only;
  throw ambiguous(
    name,
    meant.map(({ user }) => user),
  );
}

const isMissing = (error: unknown) => error instanceof PerigeeError && error.code === "FILE_NOT_FOUND";
