import { openStaged, removeStaged } from "../../../content/staged-content.ts";
import { textAnswer } from "../answers.ts";
import type { Asked } from "../asked.ts";
import { change, type Seen } from "../change.ts";
import type { Image } from "../holdings.ts";
import { imageView } from "../image-view.ts";
import { SPACE } from "../pod-of.ts";
import { ForeignEntries } from "./foreign-entries.ts";
import type { ForeignHub } from "./hub-of.ts";
import { roomFor } from "./push-room.ts";

/**
 * Pushes an image to a hub elsewhere: the edge brings its archive into staging, and the ground moves it on from there within
 * the call, as the keys are its alone. Done again, it does the same again: it is no repeat.
 */
export async function pushElsewhere(
  { repeat: _, ...asked }: Asked,
  hub: ForeignHub,
  meant: (seen: Seen) => Image,
): Promise<Response> {
  const { core, owner } = asked;
  // a hub that may not be spoken to is refused before the edge has any work of it
  const entries = await ForeignEntries.open(core, hub);
  let image: Image | undefined;
  try {
    return await change<"image.export">(
      { ...asked, endsHere: true },
      async (seen) => {
        image = meant(seen);
        const { content } = image;
        const { bytes, writes } = await roomFor(asked, owner, { name: undefined, bytes: content.bytes });
        const about = imageView(image) as Record<string, unknown>;
        return {
          operation: "image.export",
          input: { space: SPACE, image: content.ref, about, maxBytes: bytes },
          of: { ...owner, does: "export" },
          writes,
        };
      },
      async ({ content, xxh64 }, command) => {
        const { name } = image!;
        try {
          const { body } = await openStaged(core, command, content);
          try {
            const archive = { body, size: content.size, xxh64 };
            await entries.put({ user: owner.user, name }, archive, imageView(image!));
          } finally {
            body.destroy();
          }
        } finally {
          await removeStaged(core, command);
        }
        return textAnswer("", 202);
      },
    );
  } finally {
    entries.close();
  }
}
