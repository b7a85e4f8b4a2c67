import type { ImageRecord } from "./image-record.ts";

const MB = 1_048_576;

/** `YYYY-MM-DD HH:MM:SS`, UTC. */
export function timeText(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace("T", " ");
}

/** of records that are as they were when they were printed: none is ever changed in place */
const printed = new WeakMap<ImageRecord, string>();

/**
 * The JSON text of an image as lists hold it. Text, as its metadata goes out as it came: no number is printed anew and
 * no key changes its place.
 */
export function imageJson(image: ImageRecord): string {
  const known = printed.get(image);
  if (known !== undefined) return known;
  const text = print(image);
  printed.set(image, text);
  return text;
}

function print(image: ImageRecord): string {
  const before = {
    id: image.id,
    name: image.name,
    description: image.description,
    status: image.status,
    size: Math.ceil(image.bytes / MB),
    createdAt: timeText(image.createdAt),
    protected: image.containers.length > 0,
    message: image.message ?? null,
  };
  const after = {
    log_directory: `${image.bucket}:fpga-log`,
    sha256: image.sha256 ?? null,
    format: image.format ?? null,
  };
  return `${JSON.stringify(before).slice(0, -1)},"metadata":${image.metadata},${JSON.stringify(after).slice(1)}`;
}

/** The answer to `detail`. @param count of all that match, whatever the page */
export function detailJson(images: readonly ImageRecord[], count: number): string {
  return `{"count":${count},"fpgaimages":[${images.map(imageJson).join(",")}]}`;
}

/** The answer to `associations`: a group for each container image, of the pairs of one page. */
export function associationsJson(pairs: readonly { container: string; image: ImageRecord }[]): string {
  const groups = new Map<string, ImageRecord[]>();
  for (const { container, image } of pairs) groups.set(container, [...(groups.get(container) ?? []), image]);
  const texts = [...groups].map(
    ([container, images]) => `{"image_id":"${container}","fpgaimages":[${images.map(imageJson).join(",")}]}`,
  );
  return `{"associations":[${texts.join(",")}]}`;
}
