import { mapWithLimit } from "../dispatch/map-with-limit.ts";
import { type Part, partBytes, type SignedUpload } from "../ports/part-uploads.ts";
import type { Staging } from "../ports/staging.ts";

/** A file that comes in parts, under its number: `size` bytes, every part but the last of the plan's size. */
export type PartedFile = {
  n: number;
  size: number;
  /** CRC32 of each part, 8 hex digits; none for an empty file, of which nothing has to come */
  crc32: string[];
  /** id of its upload in staging; absent when it is one part, which comes as a whole object */
  upload?: string | undefined;
};

/** Which files come, and how they are cut. */
export type PartPlan<F extends PartedFile> = { partSize: number; files: F[] };

/** A part of a plan's file. */
export type PartOf<F> = Part & { file: F };

/** A part that is still to come, and how to send it. */
export type SignedPartOf<F> = PartOf<F> & { signed: SignedUpload };

/** Requests to staging that one call has under way. */
const AT_ONCE = 16;
const PAGE = 1000;

/** The parts of a file, in order. */
export function partsOf<F extends PartedFile>({ partSize }: { partSize: number }, file: F): PartOf<F>[] {
  const { size } = file;
  return file.crc32.map((crc32, i) => ({
    file,
    number: i + 1,
    size: partBytes({ size, partSize }, i + 1),
    crc32,
  }));
}

/**
 * Files that come straight to staging, each part by a signed URL of its own: file `n` is the object `<prefix><n>`. What
 * has arrived is told by staging alone.
 */
export class PartFiles {
  readonly #staging: Pick<Staging, "head" | "list" | "parts">;

  constructor(staging: Pick<Staging, "head" | "list" | "parts">) {
    this.#staging = staging;
  }

  /** The same files, with an upload in staging for each that has more than one part. @throws STORAGE_FULL */
  begin<F extends PartedFile>(prefix: string, { partSize, files }: PartPlan<F>): Promise<F[]> {
    return mapWithLimit(AT_ONCE, files, async (file): Promise<F> => {
      if (file.crc32.length < 2) return file;
      const upload = await this.#staging.parts.begin(`${prefix}${file.n}`, { size: file.size, partSize });
      return { ...file, upload };
    });
  }

  /** The parts of these files (default: all) that have not arrived, in order. */
  async missing<F extends PartedFile>(
    prefix: string,
    plan: PartPlan<F>,
    files: F[] = plan.files,
  ): Promise<PartOf<F>[]> {
    const objects = await this.#objects(prefix);
    const missing = await mapWithLimit(AT_ONCE, files, async (file) => {
      const key = `${prefix}${file.n}`;
      if (file.size === 0 || objects.get(key) === file.size) return [];
      if (file.upload === undefined) return partsOf(plan, file);
      const arrived = await this.#staging.parts.arrived(key, file.upload);
      const there = new Map(arrived.map((part) => [part.number, part]));
      const left = partsOf(plan, file).filter(({ number, size, crc32 }) => {
        const part = there.get(number);
        return part?.size !== size || part.crc32 !== crc32;
      });
      if (left.length === 0) return left;
      // A call that completes it may have made the object just now: then the parts are no more.
      const object = await this.#staging.head(key);
      return object?.size === file.size ? [] : left;
    });
    return missing.flat();
  }

  /** URLs for parts, good for `seconds`. */
  sign<F extends PartedFile>(
    prefix: string,
    parts: PartOf<F>[],
    seconds: number,
  ): Promise<SignedPartOf<F>[]> {
    return mapWithLimit(AT_ONCE, parts, async (part): Promise<SignedPartOf<F>> => {
      const { file, number, size, crc32 } = part;
      const at = `${prefix}${file.n}`;
      const url =
        file.upload === undefined
          ? this.#staging.parts.signWhole(at, { size, crc32 }, seconds)
          : this.#staging.parts.signPart(at, file.upload, { number, size, crc32 }, seconds);
      return { ...part, signed: await url };
    });
  }

  /** Makes the objects of all files. @returns what is missing: then it may be done again */
  async assemble<F extends PartedFile>(prefix: string, plan: PartPlan<F>): Promise<PartOf<F>[]> {
    const missing = await this.missing(prefix, plan);
    if (missing.length > 0) return missing;
    const inParts = plan.files.filter((file) => file.upload !== undefined);
    const left = await mapWithLimit(AT_ONCE, inParts, async (file) => {
      const parts = partsOf(plan, file);
      const bare = parts.map(({ number, size, crc32 }) => ({ number, size, crc32 }));
      const missing = await this.#staging.parts.complete(`${prefix}${file.n}`, file.upload!, bare);
      return parts.filter(({ number }) => missing.includes(number));
    });
    return left.flat();
  }

  /** Sizes of the objects that there are, by key. */
  async #objects(prefix: string): Promise<Map<string, number>> {
    const sizes = new Map<string, number>();
    for (let after: string | undefined; ; ) {
      const page = await this.#staging.list(prefix, { limit: PAGE, ...(after && { after }) });
      for (const object of page) sizes.set(object.key, object.size);
      if (page.length < PAGE) return sizes;
      after = page.at(-1)!.key;
    }
  }
}
