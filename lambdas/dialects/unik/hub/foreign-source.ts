import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import { USER } from "#protocol/names.ts";
import type { DialectCore } from "../../core.ts";
import { notFound } from "../lookup.ts";
import { ForeignEntries, type ForeignEntry, hubFailed } from "./foreign-entries.ts";
import type { ForeignHub } from "./hub-of.ts";
import { ambiguous, Gone, type Source } from "./pulled.ts";

type Core = Pick<DialectCore, "foreignBuckets" | "staging">;

/** A hub elsewhere as the source of a pull. What comes is counted on its way into staging, and nothing is believed of it. */
export function foreignSource(core: Core, hub: ForeignHub, me: string): Source {
  let entries: ForeignEntries | undefined;
  return {
    async entry(name, of) {
      entries = await ForeignEntries.open(core, hub);
      const { user, image, bytes, xxh64 } = await entryFor(entries, { name, of, me });
      if (bytes > LIMITS.uplinkBytes) throw tooLarge();
      const stage = async (key: string) => {
        const body = await entries!.archive({ user, name });
        const gone = new Gone("IMAGE_NOT_FOUND", `image ${name} not found`);
        if (!body) throw gone;
        try {
          const stored = await core.staging.put(key, body, { maxBytes: bytes });
          // another was pushed meanwhile, or is being pushed
          if (xxh64 !== undefined && stored.xxh64 !== xxh64) throw gone;
          if (stored.size !== bytes) throw hubFailed(hub.url, "its archive is shorter than it said");
          return { xxh64: stored.xxh64 };
        } catch (error) {
          if (error instanceof PerigeeError && error.code === "BODY_TOO_LARGE") {
            throw hubFailed(hub.url, "its archive is longer than it said");
          }
          throw entries!.failed(error);
        } finally {
          body.destroy();
        }
      };
      return { image, bytes, stage };
    },
    close: () => entries?.close(),
  };
}

/** @throws IMAGE_NOT_FOUND, AMBIGUOUS_NAME */
async function entryFor(
  entries: ForeignEntries,
  { name, of, me }: { name: string; of: string; me: string },
): Promise<ForeignEntry> {
  // whose name is none has no entry, and none is asked for
  if (of !== "" && !USER.test(of)) throw notFound("image", name);
  const direct = await entries.find({ user: of === "" ? me : of, name });
  if (direct) return direct;
  if (of !== "") throw notFound("image", name);
  const owners = await entries.owners(name);
  if (!owners) {
    throw new PerigeeError(
      "IMAGE_NOT_FOUND",
      `image ${name} not found: the hub does not list all it has; name its owner with 'owner'`,
    );
  }
  const [only, ...others] = owners;
  if (others.length > 0) throw ambiguous(name, owners);
  const entry = only === undefined ? undefined : await entries.find({ user: only, name });
  if (!entry) throw notFound("image", name);
  return entry;
}

function tooLarge(): PerigeeError {
  return new PerigeeError("MAX_UPLINK_SIZE_EXCEEDED", "the archive is over 2 GiB");
}
