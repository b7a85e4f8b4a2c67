import type { EngineImages } from "./engine-images.ts";
import type { SizedImage } from "./image-usage.ts";

/** So many are inspected one by one; for more the engine is asked once for all that it has. */
const FEW = 4;

type Known = SizedImage & { listed: number };

/**
 * Sizes and layers of the engine's images. An edge may have dozens of public images, and a user's bytes are counted beyond
 * all of them with each command: so what the engine has is asked in one call, and an image is inspected when it is seen first.
 */
export class ImageSizes {
  readonly #images: Pick<EngineImages, "inspect" | "list">;
  /** by ID: what an image is does not change while the engine lists it with the same size */
  readonly #known = new Map<string, Known>();

  constructor(images: Pick<EngineImages, "inspect" | "list">) {
    this.#images = images;
  }

  /** Of each group those that the engine has, by whole ID or by the name that the engine spells; each once. */
  async of<G extends readonly Iterable<string>[]>(...groups: G): Promise<{ [N in keyof G]: SizedImage[] }> {
    const wanted = groups.map((names) => [...new Set(names)]);
    const all = new Set(wanted.flat());
    const found = all.size > FEW ? await this.#fromList(all) : await this.#oneByOne(all);
    const sized = wanted.map((names) => names.flatMap((name) => found.get(name) ?? []));
    return sized as { [N in keyof G]: SizedImage[] };
  }

  async #oneByOne(names: Iterable<string>): Promise<Map<string, SizedImage>> {
    const found = new Map<string, SizedImage>();
    for (const name of names) {
      const image = await this.#inspect(name);
      if (image) found.set(name, image);
    }
    return found;
  }

  async #fromList(names: Iterable<string>): Promise<Map<string, SizedImage>> {
    const listed = await this.#images.list();
    const sizes = new Map(listed.map(({ Id, Size }) => [Id, Size]));
    const ids = new Map(listed.flatMap(({ Id, RepoTags }) => (RepoTags ?? []).map((tag) => [tag, Id])));
    for (const id of this.#known.keys()) if (!sizes.has(id)) this.#known.delete(id);
    const found = new Map<string, SizedImage>();
    for (const name of names) {
      const id = isId(name) ? name : ids.get(name);
      if (id === undefined) continue;
      const image = await this.#listed(id, sizes.get(id));
      if (image) found.set(name, image);
    }
    return found;
  }

  /** @param size as it is listed; undefined: what is only beneath other images is not */
  async #listed(id: string, size: number | undefined): Promise<SizedImage | undefined> {
    const known = this.#known.get(id);
    if (known && known.listed === size) return known;
    const image = await this.#inspect(id);
    if (image && size !== undefined) this.#known.set(id, { ...image, listed: size });
    return image;
  }

  async #inspect(name: string): Promise<SizedImage | undefined> {
    const found = await this.#images.inspect(name);
    return found && { id: found.Id, size: found.Size, layers: found.RootFS.Layers ?? [] };
  }
}

function isId(name: string): boolean {
  return name.startsWith("sha256:");
}
