import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { CliFailure } from "../failure.ts";
import type { Session } from "../session.ts";
import { FpgaApi, type FpgaImage } from "./fpga-api.ts";

export type Registration = {
  file: string;
  name: string;
  bucket: string;
  metadata: object;
  description?: string;
};

const FIRST_PAUSE_MS = 300;
const MOST_PAUSE_MS = 3_000;

/** Uploads a file into a bucket and registers it. @returns the image's id */
export async function registerImage(session: Session, of: Registration): Promise<string> {
  const { client } = session;
  const key = basename(of.file);
  const { size } = await stat(of.file).catch((cause: Error) => {
    throw new CliFailure("LOCAL_FILE", `${of.file}: ${cause.message}`, { cause });
  });
  const fpga = await FpgaApi.open(client);
  const file = { source: of.file, path: key, size, follow: true };
  // only who uploads needs the hashes of parts
  const { objectInParts } = await import("../parts/object-in-parts.ts");
  await objectInParts(session, file, { bucket: of.bucket, key });
  const { name, metadata, description } = of;
  const json = {
    fpga_image: {
      location: `${of.bucket}:${key}`,
      name,
      metadata,
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
    output.waiting(`${image.name}: ${image.message ?? "saving"}`, { image: id, message: image.message });
    await client.patience().pause(pause);
  }
}
