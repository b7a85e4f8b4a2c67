import { basename } from "node:path";
import { commandOf } from "#lambdas/fields/fpga-image-id.ts";
import type { CommandView } from "../command-view.ts";
import { usage } from "../failure.ts";
import type { Session } from "../session.ts";
import { FpgaApi, type FpgaImage } from "./fpga-api.ts";
import { prepareFile } from "./prepared-file.ts";
import { isWithoutContact, progressText } from "./progress-text.ts";

export type Registration = {
  file: string;
  name: string;
  bucket: string;
  metadata: Record<string, unknown>;
  description?: string;
  /** the bytes of every word go in the other order */
  swapWords?: boolean | undefined;
  /** path of the private key that signs the file */
  key?: string | undefined;
};

const FIRST_PAUSE_MS = 300;
const MOST_PAUSE_MS = 3_000;

/** Uploads a file into a bucket and registers it. @returns the image's id */
export async function registerImage(session: Session, of: Registration): Promise<string> {
  const { client } = session;
  const { bucket, name, description } = of;
  const key = basename(of.file);
  const fpga = await FpgaApi.open(client);
  const file = await prepareFile(of.file, of);
  try {
    const given = Object.keys(file.metadata).find((field) => Object.hasOwn(of.metadata, field));
    if (given !== undefined) throw usage(`${given} is given in the metadata already`);
    const { path: source, size } = file;
    // only who uploads needs the hashes of parts
    const { objectInParts } = await import("../parts/object-in-parts.ts");
    await objectInParts(session, { source, path: key, size, follow: true }, { bucket, key });
  } finally {
    await file.dispose();
  }
  const json = {
    fpga_image: {
      location: `${bucket}:${key}`,
      name,
      metadata: { ...of.metadata, ...file.metadata },
      ...(description !== undefined && { description }),
    },
  };
  const body = await client.json({ method: "POST", path: fpga.base, json });
  return (body.fpga_image as { id: string }).id;
}

/** Follows an image until it is no longer `saving`, and shows what it waits for. */
export async function followImage({ client, output }: Session, id: string): Promise<FpgaImage> {
  const fpga = await FpgaApi.open(client);
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(MOST_PAUSE_MS, pause * 1.5)) {
    const image = await fpga.image(id);
    if (image.status !== "saving") return image;
    const text = isWithoutContact(image) ? await withProgress(client, image) : (image.message ?? "saving");
    output.waiting(`${image.name}: ${text}`, { image: id, message: image.message });
    await client.patience().pause(pause);
  }
}

async function withProgress(client: Session["client"], image: FpgaImage): Promise<string> {
  const body = await client.json({ method: "GET", path: `/commands/${commandOf(image.id)}` });
  return progressText(image, body.data as CommandView, Date.now());
}
