import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS, MiB } from "#protocol/limits.ts";
import { byteQuotaExceeded } from "#protocol/quota-exceeded.ts";
import type { Write } from "../../../ports/ledger-store.ts";
import { textAnswer } from "../answers.ts";
import type { Asked, Handle } from "../asked.ts";
import { requireRoom } from "../bounds.ts";
import { change } from "../change.ts";
import { type Image, whole } from "../holdings.ts";
import { imageView } from "../image-view.ts";
import { lookup } from "../lookup.ts";
import { SPACE } from "../pod-of.ts";
import type { HubUser, Published } from "../records.ts";
import { readOwn } from "./entries.ts";
import { removeGoneSoon } from "./gone.ts";
import { hubOf } from "./hub-of.ts";
import { ENTRY, hubKeys, PUSH, type PushRecord } from "./hub-records.ts";

/** An archive may be so much larger than what the edge says of its image. */
const BESIDE = { part: 1 / 8, bytes: 16 * MiB };

/** `POST /images/push/{x}`: everybody can find it and pull it then */
export const pushImage: Handle = async (asked) => {
  const { owner, named } = asked;
  const hub = await hubOf(asked);
  try {
    return await change<"image.export">(
      asked,
      async ({ holdings }) => {
        const images = whole(holdings.images).map((one) => ({ ...one, id: one.name }));
        const image = lookup("image", images, named.image!, true);
        const { bytes, turn } = await roomFor(asked, hub, { name: image.name, bytes: image.content.bytes });
        return {
          operation: "image.export",
          input: { space: SPACE, image: image.content.ref, about: aboutOf(image), maxBytes: bytes },
          group: hub.uid,
          of: { ...owner, does: "push", hub, name: image.name, image: publishedOf(image) },
          writes: (command) => [
            turn,
            { put: { ...hubKeys.push(hub.uid, command.id), data: { bytes } satisfies PushRecord } },
          ],
        };
      },
      () => textAnswer("", 202),
    );
  } finally {
    await removeGoneSoon(asked.core);
  }
};

function aboutOf(image: Image): Record<string, unknown> {
  return imageView(image) as Record<string, unknown>;
}

function publishedOf({ content: { version: _, ref: __, ...published } }: Image): Published {
  return published;
}

/**
 * Bytes that a push may bring, of what its owner has left beside pushes that have not ended.
 * @returns also what is written with it, on condition that no other was let in meanwhile
 * @throws QUOTA_EXCEEDED, MAX_UPLINK_SIZE_EXCEEDED, TOO_MANY_REQUESTS
 */
async function roomFor(
  { core, owner }: Asked,
  { user, uid }: HubUser,
  { name, bytes: imageBytes }: { name: string; bytes: number },
): Promise<{ bytes: number; turn: Write }> {
  if (imageBytes > LIMITS.uplinkBytes) {
    throw new PerigeeError(
      "MAX_UPLINK_SIZE_EXCEEDED",
      "the image is over 2 GiB: the hub takes none so large",
    );
  }
  const own = await readOwn(core.records, uid);
  const pushes = own.filter(({ sk }) => sk.startsWith(PUSH));
  requireRoom("pushes", pushes.length);
  const entries = own.filter(({ sk }) => sk.startsWith(ENTRY));
  if (!entries.some(({ sk }) => sk === hubKeys.entry({ uid, name }).sk)) {
    requireRoom("hub", entries.length + pushes.length);
  }
  const kept = pushes.reduce((sum, { data }) => sum + (data as PushRecord).bytes, 0);
  const left = (await core.bytesLeft(user, owner.edge)) - kept;
  if (left < imageBytes) throw byteQuotaExceeded();
  const wanted = Math.ceil(imageBytes * (1 + BESIDE.part)) + BESIDE.bytes;
  const key = hubKeys.turn(uid);
  return {
    bytes: Math.max(1, Math.min(left, wanted, LIMITS.uplinkBytes)),
    turn: { put: { ...key, data: {} }, if: own.find(({ sk }) => sk === key.sk)?.rev ?? 0 },
  };
}
