import type Docker from "dockerode";
import type { Logger } from "pino";
import { isAgentLabel } from "../image-labels.ts";
import { engineTag, publicName } from "../image-meanings.ts";
import type { ImageRecord } from "../image-record.ts";
import { type OwnMarks, unmarked } from "./own-names.ts";

export type PublicImagesOptions = {
  record: ImageRecord;
  marks: OwnMarks;
  /** names of the configuration, in place of what the engine held at the first start */
  configured?: readonly string[];
  log?: Pick<Logger, "error">;
};

/** Which images every user may run: the configuration's or the first start's, and what the operator published. */
export class PublicImages {
  readonly #options: PublicImagesOptions;
  readonly #configured: readonly string[] | undefined;

  /** @throws TypeError when `configured` holds something that is no image reference */
  constructor(options: PublicImagesOptions) {
    this.#options = options;
    this.#configured = options.configured?.map((name) => {
      const spelled = publicName(name);
      if (spelled === undefined) throw new TypeError(`publicImages: ${name} is not an image reference`);
      return spelled;
    });
  }

  /** Their names as the engine spells them. */
  names(): ReadonlySet<string> {
    const recorded = this.#options.record.publicNames(!this.#configured);
    return new Set([...(this.#configured ?? []), ...recorded]);
  }

  /**
   * At a start: on the first one what the engine holds becomes public, unless that may have been somebody's own
   * in an earlier life of the agent whose record is lost. @param images all that the engine has
   */
  begin(images: readonly Docker.ImageInfo[]): void {
    const { record, marks, log } = this.#options;
    const tags = images.flatMap((image) => image.RepoTags ?? []);
    const known = new Set(record.all().map((row) => marks.of(engineTag(row.owner, row))));
    if (tags.some((tag) => marks.isOurs(tag) && !known.has(tag))) record.noteEarlierLife();
    if (this.#configured || record.snapshotTaken) return;
    if (!record.earlierLife) record.saveSnapshot(this.#unowned(images, tags));
    else
      log?.error(
        "no image is made public by itself: this machine holds volumes or images of an earlier life of the agent, " +
          "whose record is lost; name publicImages in the configuration, or run `perigee edge publish IMAGE`",
      );
  }

  /** Tags of images that nobody here made. */
  #unowned(images: readonly Docker.ImageInfo[], tags: readonly string[]): string[] {
    const recorded = new Set(this.#options.record.all().map((row) => engineTag(row.owner, row)));
    const free = new Set(unmarked(tags));
    return images
      .filter((image) => !Object.keys(image.Labels ?? {}).some(isAgentLabel))
      .flatMap((image) => image.RepoTags ?? [])
      .filter((tag) => tag !== "<none>:<none>" && !recorded.has(tag) && free.has(tag));
  }
}
