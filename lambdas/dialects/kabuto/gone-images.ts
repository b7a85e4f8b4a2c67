import { isTerminal } from "#protocol/state.ts";
import type { Write } from "../../ports/ledger-store.ts";
import type { DialectCore } from "../core.ts";
import { BUILD_LANE, SPACE } from "./lanes.ts";
import type { Owner } from "./owner.ts";
import { type GoneRecord, type ImageRecord, keys, type OfCommand } from "./records.ts";

/** Notes that an image's content is to be removed from its edge. */
export function goneWrite({ user, uid }: Owner, { edge, ref }: Pick<ImageRecord, "edge" | "ref">): Write {
  const data: GoneRecord = { user, edge, ref };
  return { put: { ...keys.gone(uid, ref), data } };
}

/** The command that removes an image's content from its edge. */
export function imageRemoval({ user, edge, ref }: Pick<GoneRecord, "user" | "edge" | "ref">) {
  return {
    user,
    edge,
    lane: BUILD_LANE,
    operation: "image.delete",
    input: { space: SPACE, image: ref },
    admission: "queue",
    wait: { kind: "none" },
  } as const;
}

/** Queues the removal of a noted image, unless that is under way; what cannot be queued now is for the janitor. */
export async function removeGone(core: DialectCore, uid: string, ref: string): Promise<void> {
  const { records, commands, dispatch, log } = core;
  const item = await records.get<GoneRecord>(keys.gone(uid, ref));
  if (!item) return;
  const { user, command } = item.data;
  try {
    if (command !== undefined && !isTerminal((await commands.command(user, command)).state)) return;
    await dispatch.run({
      ...imageRemoval(item.data),
      records({ id }): Write[] {
        const of: OfCommand = { uid, gone: ref };
        return [
          { put: { ...keys.gone(uid, ref), data: { ...item.data, command: id } }, if: item.rev },
          { put: { ...keys.ofCommand(id), data: of } },
        ];
      },
    });
  } catch (error) {
    log.warn({ err: error }, "a deleted image is removed from the edge later");
  }
}
