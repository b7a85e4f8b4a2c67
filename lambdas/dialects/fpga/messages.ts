import { MiB } from "#protocol/limits.ts";
import { commandOf } from "../../fields/fpga-image-id.ts";
import type { DialectCore } from "../core.ts";
import { findCommand } from "./find-command.ts";
import type { ImageRecord } from "./images/image-record.ts";
import { timeText } from "./images/image-view.ts";
import type { Project } from "./project.ts";
import { QUEUED } from "./store/store-work.ts";

/** The same images, where those that wait for the edge say for what, as it is now. */
export async function messages(
  core: DialectCore,
  { user, edge }: Project,
  images: readonly ImageRecord[],
): Promise<ImageRecord[]> {
  const waits = ({ status, message }: ImageRecord) =>
    status === "deleting" || (status === "saving" && message === QUEUED);
  if (!images.some(waits)) return [...images];
  const contact = await contactText(core, edge);
  return Promise.all(
    images.map(async (image) => {
      if (!waits(image)) return image;
      const { message: _, ...rest } = image;
      const message = contact ?? (await sent(core, user, image));
      return { ...rest, ...(message !== undefined && { message }) };
    }),
  );
}

/** Undefined while the edge is in contact. */
async function contactText({ commands, inventory }: DialectCore, edge: string): Promise<string | undefined> {
  if (await commands.inContact(edge)) return undefined;
  const last = await inventory.nodes(edge);
  return last ? `waiting for contact since ${timeText(last.at)}` : "waiting for contact";
}

async function sent(core: DialectCore, user: string, image: ImageRecord): Promise<string | undefined> {
  if (image.status !== "saving") return undefined;
  const command = await findCommand(core, user, commandOf(image.id));
  const { done = 0, total = image.bytes } = command?.progress ?? {};
  return `sent ${Math.floor(done / MiB)} of ${Math.ceil(total / MiB)} MB`;
}
