import { expect } from "vitest";
import type { ImageRecord } from "#lambdas/dialects/fpga/images/image-record.ts";
import type { Fate } from "./image-edge.ts";
import { digest, type Failure, ImageWorld, UNKNOWN, VERSIONS } from "./image-world.ts";

export type Act =
  | { kind: "put"; version: number }
  | { kind: "register" | "work"; beside: number | null }
  | { kind: "delete"; image: number }
  | { kind: "associate" | "dissociate" | "delete and associate"; image: number; container: string }
  | { kind: "run"; container: string }
  | { kind: "claim" | "report"; fate: Fate }
  | { kind: "carry out"; isFull: boolean }
  | { kind: "agent dies" }
  | { kind: "file is lost"; pick: number }
  | { kind: "ground fails"; which: "api" | "worker"; how: Failure; transactions: number };

/** What a status may become; an image that goes was not active. */
const NEXT: Record<string, readonly string[]> = {
  saving: ["saving", "active", "error", "deleting", "gone"],
  active: ["active", "error", "deleting"],
  error: ["error", "deleting", "gone"],
  deleting: ["deleting", "gone"],
};

/** What is expected of a history: each answer by what was there before it, and each look by the one before. */
export class ImageModel {
  readonly #world = new ImageWorld();
  #object = 3;
  #images: ImageRecord[] = [];
  /** what the object may have been when an image was registered, by image */
  readonly #registered = new Map<string, readonly number[]>();
  /** images whose file the edge lost */
  readonly #lost = new Set<string>();

  begin(): Promise<void> {
    return this.#world.begin();
  }

  async happen(act: Act): Promise<void> {
    const before = this.#object;
    await this.#do(act);
    await this.#look(act.kind === "register" ? [before, this.#object] : []);
  }

  /** When all is over nothing is under way, and the edge holds what is active, and nothing else. */
  async expectEnd(): Promise<void> {
    expect(await this.#world.settle()).toEqual([]);
    await this.#look([]);
    const active = this.#images.filter(({ status }) => status === "active").map(({ id }) => id);
    expect(this.#images.filter(({ status }) => status === "saving" || status === "deleting")).toEqual([]);
    expect([...this.#world.edge.files.keys()].toSorted()).toEqual(active.toSorted());
  }

  async #do(act: Act): Promise<void> {
    const { edge } = this.#world;
    switch (act.kind) {
      case "put":
        return this.#put(act.version);
      case "register":
      case "work": {
        const work = act.kind === "register" ? this.#world.register() : this.#world.work();
        const [status] = await Promise.all([work, act.beside !== null && this.#put(act.beside)]);
        if (status !== undefined) expect(status).toBe(200);
        return;
      }
      case "delete":
        return told(await this.#delete(act.image), this.#deleted(this.#pick(act.image)));
      case "associate":
      case "dissociate": {
        const isNew = act.kind === "associate";
        const image = this.#pick(act.image);
        const answer = this.#world.associate(isNew ? "POST" : "DELETE", image?.id ?? UNKNOWN, act.container);
        const pairs = image?.containers.includes(this.#world.idOf(act.container)) ?? false;
        if (isNew) return told(await answer, !image ? 404 : image.status === "active" && !pairs ? 204 : 400);
        return told(await answer, pairs ? 204 : 404);
      }
      case "delete and associate": {
        const image = this.#pick(act.image);
        const [deletion, association] = await Promise.all([
          this.#delete(act.image),
          this.#world.associate("POST", image?.id ?? UNKNOWN, act.container),
        ]);
        if (deletion === 204) expect(association).not.toBe(204);
        return;
      }
      case "run":
        return expect(await this.#world.run(act.container)).toEqual(this.#given(act.container));
      case "claim":
        await edge.start();
        await edge.claim(act.fate);
        return;
      case "carry out":
        return edge.carryOut(act.isFull);
      case "report":
        return edge.report(act.fate);
      case "agent dies":
        return edge.die();
      case "file is lost": {
        const image = edge.lose(act.pick);
        if (image !== undefined) this.#lost.add(image);
        return;
      }
      case "ground fails":
        return this.#world.fail(act.which, act.how, act.transactions);
    }
  }

  async #put(version: number): Promise<void> {
    await this.#world.put(version);
    this.#object = version;
  }

  #delete(n: number): Promise<number | undefined> {
    return this.#world.ask("DELETE", `/${this.#pick(n)?.id ?? UNKNOWN}`);
  }

  /** One of the images, now and then one that is not there. */
  #pick(n: number): ImageRecord | undefined {
    return this.#images[n % (this.#images.length + 1)];
  }

  #deleted(image: ImageRecord | undefined): number {
    if (!image) return 404;
    return image.containers.length > 0 ? 400 : 204;
  }

  #given(container: string): string | undefined {
    const id = this.#world.idOf(container);
    const [image, other] = this.#images.filter(({ containers }) => containers.includes(id));
    if (other) return "INVALID_PARAMETERS";
    return image && (image.status === "active" ? image.id : "FPGA_IMAGE_NOT_ACTIVE");
  }

  async #look(versions: readonly number[]): Promise<void> {
    const images = await this.#world.images();
    const seen = new Map(images.map((image) => [image.id, image]));
    for (const { id, status } of this.#images) {
      expect(NEXT[status], `${id} was ${status}`).toContain(seen.get(id)?.status ?? "gone");
    }
    for (const image of images) {
      if (!this.#registered.has(image.id)) {
        expect(versions).not.toEqual([]);
        this.#registered.set(image.id, versions);
      }
      if (image.status === "active") this.#expectStored(image);
      // whatever fails, what was kept of its object is there
      expect(image.message ?? "").not.toMatch(/^INTERNAL/);
    }
    await this.#world.expectAgreement(images);
    this.#images = images;
  }

  /** It has the content of its registration, whole, and the edge holds just that. */
  #expectStored({ id, sha256 }: ImageRecord): void {
    const contents = this.#registered.get(id)!.flatMap((version) => VERSIONS[version] ?? []);
    expect(contents.map(digest)).toContain(sha256);
    expect(this.#world.edge.files.get(id)).toBe(this.#lost.has(id) ? undefined : sha256);
  }
}

/** An answer that came is the one that is right. */
function told(status: number | undefined, right: number): void {
  if (status !== undefined) expect(status).toBe(right);
}
