import { isUtf8 } from "node:buffer";
import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import { CHANGES_FILE, type VolumeChanges } from "#protocol/volume-changes.ts";
import type { Directory } from "../../files/directory.ts";
import type { PackOptions } from "../../files/pack-directory.ts";
import type { OperationContext } from "../../operation.ts";
import type { Volumes } from "../volumes.ts";
import { directorySign, type Entries, keptFileSign } from "./entries.ts";
import { type Changes, findChanges } from "./find-changes.ts";

type Context = Pick<OperationContext<"volume.read">, "command" | "input" | "signal">;

export type NotedTar = {
  /** how the directory is packed: what is to be sent of it, noted as a listing under the command's id */
  pack: PackOptions;
  /**
   * What was packed, also when an earlier life of the agent did that.
   * @throws PerigeeError INTERRUPTED when it cannot be told
   */
  told(): { listing: string; since?: string };
};

/** A directory's tar, whole or of what changed since an earlier one. @throws TreeTooLarge, the signal's reason */
export async function notedTar(context: Context, directory: Directory, volumes: Volumes): Promise<NotedTar> {
  const { command, input, signal } = context;
  const { listings } = volumes;
  const { volume, path, since } = input;
  const before = since === undefined ? undefined : listings.get(command.user, volume, since);
  const known = before?.path === path ? before.entries : undefined;
  const changes = known && (await findChanges(directory, known, signal));
  const sent = changes && since !== undefined ? { since } : {};
  let packed = false;
  return {
    pack: {
      ...entriesOf(known, changes, (entries) => {
        packed = true;
        try {
          listings.keep(command.user, volume, command.id, { path, ...sent, entries });
        } catch (error) {
          volumes.log.warn({ err: error, command: command.id }, "what was sent could not be noted");
        }
      }),
      ...(since !== undefined && { first: [manifestOf(command.id, sent.since, known, changes)] }),
    },
    told() {
      if (packed) return { listing: command.id, ...sent };
      const kept = listings.get(command.user, volume, command.id);
      if (kept === undefined && since !== undefined) {
        throw new PerigeeError("INTERRUPTED", "The agent lost what it noted of the changes; ask again");
      }
      return { listing: command.id, ...(kept?.since !== undefined && { since: kept.since }) };
    },
  };
}

/** Packs what is not as it was, and gathers what the directory's reader then has. */
function entriesOf(
  known: Entries | undefined,
  changes: Changes | undefined,
  keep: (entries: Entries) => void,
): PackOptions {
  // An entry that vanishes or changes before it is packed keeps its old sign: the next comparison reports it.
  const entries: Entries = new Map(known);
  for (const raw of changes?.gone ?? []) entries.delete(raw);
  return {
    ...(changes && {
      filter: (_path, kind, raw) => !changes.same.has(raw) || (kind === "directory" && "enter"),
    }),
    packed({ raw }, opened) {
      if (entries.size > LIMITS.listingEntries || opened.kind === "other") return;
      const { kind, stats } = opened;
      entries.set(raw, kind === "file" ? keptFileSign(stats) : directorySign(stats));
    },
    finish: () => keep(entries),
  };
}

function manifestOf(listing: string, since: string | undefined, known?: Entries, changes?: Changes) {
  const changed: VolumeChanges = { since: since ?? null, listing, gone: [], gone_base64: [] };
  // bytewise and backwards, so what is in a directory comes before it
  for (const raw of changes?.gone.sort().reverse() ?? []) {
    const bytes = Buffer.from(known?.get(raw)?.startsWith("d") ? `${raw}/` : raw, "latin1");
    if (isUtf8(bytes)) changed.gone.push(bytes.toString());
    else changed.gone_base64.push(bytes.toString("base64"));
  }
  return { path: CHANGES_FILE, content: Buffer.from(JSON.stringify(changed)) };
}
