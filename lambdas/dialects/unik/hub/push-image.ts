import { textAnswer } from "../answers.ts";
import type { Handle } from "../asked.ts";
import { change, type Seen } from "../change.ts";
import { type Image, whole } from "../holdings.ts";
import { imageView } from "../image-view.ts";
import { lookup } from "../lookup.ts";
import { SPACE } from "../pod-of.ts";
import type { Published } from "../records.ts";
import { removeGoneSoon } from "./gone.ts";
import { hubOf } from "./hub-of.ts";
import { pushElsewhere } from "./push-elsewhere.ts";
import { roomFor } from "./push-room.ts";

/** `POST /images/push/{x}`: everybody can find it and pull it then */
export const pushImage: Handle = async (asked) => {
  const { owner, named } = asked;
  const hub = await hubOf(asked);
  const meant = ({ holdings }: Seen): Image => {
    const images = whole(holdings.images).map((one) => ({ ...one, id: one.name }));
    return lookup("image", images, named.image!, true);
  };
  if ("foreign" in hub) return pushElsewhere(asked, hub.foreign, meant);
  try {
    return await change<"image.export">(
      asked,
      async (seen) => {
        const image = meant(seen);
        const { name, content } = image;
        const { bytes, writes } = await roomFor(asked, hub.own, { name, bytes: content.bytes });
        return {
          operation: "image.export",
          input: { space: SPACE, image: content.ref, about: aboutOf(image), maxBytes: bytes },
          group: hub.own.uid,
          of: { ...owner, does: "push", hub: hub.own, name, image: publishedOf(image) },
          writes,
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
