import { BoundedMap } from "#protocol/bounded-map.ts";
import type { Item, Write } from "../../../ports/ledger-store.ts";
import { optimistically } from "../../../ports/optimistically.ts";
import type { OwnRecords } from "../../own-records.ts";
import { REFUSALS } from "../refusals.ts";
import type { Registration } from "../rules.ts";
import {
  type ContainerRecord,
  type CountRecord,
  IMAGE_BOUNDS,
  type ImageRecord,
  keys,
} from "./image-record.ts";

/** How a store of an image ended, or what was found of it before. */
export type StoreEnd =
  | { status: "active"; sha256: string; format: NonNullable<ImageRecord["format"]>; note?: string }
  | { status: "error"; message: string };

/** Images of all projects that a process remembers, so that a list parses and prints again only what has changed. */
const MOST_REMEMBERED = 2000;

/**
 * The images of projects. What belongs to a command's transaction is returned as writes, each on the condition of what
 * was read: whoever changes a record first wins, and the other one decides anew. Nothing else changes a status.
 */
export class Images {
  readonly #records: OwnRecords;
  /** by ids, which no later image has; by their revisions they are what is stored */
  readonly #remembered = new BoundedMap<string, { rev: number; image: ImageRecord }>(MOST_REMEMBERED);

  constructor(records: OwnRecords) {
    this.#records = records;
  }

  /** All images of a project, by the time of their registration, then by id. */
  async all(project: string): Promise<ImageRecord[]> {
    const items = await this.#records.query<ImageRecord>({
      pk: keys.images(project),
      limit: IMAGE_BOUNDS.rows,
      known: (id, rev) => {
        const one = this.#remembered.get(id);
        return one?.rev === rev ? one.image : undefined;
      },
    });
    for (const { sk, rev, data } of items) {
      if (this.#remembered.get(sk)?.rev !== rev) this.#remembered.set(sk, { rev, image: data });
    }
    return items
      .map(({ data }) => data)
      .sort((one, other) => one.createdAt - other.createdAt || (one.id < other.id ? -1 : 1));
  }

  async find(project: string, id: string): Promise<ImageRecord | undefined> {
    return (await this.#image(project, id))?.data;
  }

  /**
   * A new image in `saving`, to be written with the command that stores it.
   * @throws 400 Ecs.0001 when the project has as many as it may
   */
  async registered(
    project: string,
    of: Registration & { id: string; createdAt: number; bytes: number },
  ): Promise<Write[]> {
    const { count, rev } = await this.#count(project);
    const live = count.rows - count.deleting;
    if (live >= IMAGE_BOUNDS.live) {
      throw REFUSALS.quota(`The project has ${live} FPGA images, of at most ${IMAGE_BOUNDS.live}`);
    }
    if (count.rows >= IMAGE_BOUNDS.rows) {
      throw REFUSALS.quota(
        `The project has ${count.rows} FPGA images with those that are being deleted, of at most ${IMAGE_BOUNDS.rows}`,
      );
    }
    const image: ImageRecord = { ...of, status: "saving", message: "copying", containers: [] };
    return [
      { put: { ...keys.image(project, of.id), data: image }, if: 0 },
      this.#counted(project, rev, { ...count, rows: count.rows + 1 }),
    ];
  }

  /**
   * What the end of a store's command means for its image. Only one that is still `saving` changes: a late report, or
   * that of a cancelled command, never sets a status back.
   */
  async stored(project: string, id: string, end: StoreEnd): Promise<Write[]> {
    const item = await this.#image(project, id);
    if (item?.data.status !== "saving") return [];
    if (end.status === "error" && item.data.removing) return this.#gone(project, item);
    const { removing: _, message: _before, ...image } = item.data;
    if (end.status === "error") return [this.#changed(project, item.rev, { ...image, ...end })];
    const { note, ...stored } = end;
    return [
      this.#changed(project, item.rev, { ...image, ...stored, ...(note !== undefined && { message: note }) }),
    ];
  }

  /** How far a `saving` image is; nothing for another. */
  async progressed(project: string, id: string, message: string): Promise<void> {
    await optimistically(async () => {
      const item = await this.#image(project, id);
      if (item?.data.status !== "saving" || item.data.message === message) return;
      await this.#records.transact([this.#changed(project, item.rev, { ...item.data, message })]);
    });
  }

  /**
   * Notes that the end of a `saving` image's command removes it: before that command is cancelled.
   * @returns false for an image that is not `saving`
   * @throws 404, 400 for a protected one
   */
  async markRemoving(project: string, id: string): Promise<boolean> {
    return optimistically(async () => {
      const item = await this.#deletable(project, id);
      if (item.data.status !== "saving") return false;
      if (!item.data.removing) {
        await this.#records.transact([this.#changed(project, item.rev, { ...item.data, removing: true })]);
      }
      return true;
    });
  }

  /**
   * An image becomes `deleting`, to be written with the command that deletes it on the edge. On condition of its
   * associations too, as these are in its record: an association and a deletion never both win.
   * @returns nothing to write when it is `deleting` already
   * @throws 404, 400 for a protected one
   */
  async deleting(project: string, id: string): Promise<Write[]> {
    const item = await this.#deletable(project, id);
    if (item.data.status === "deleting") return [];
    const { count, rev } = await this.#count(project);
    const { message: _, removing: _removing, ...image } = item.data;
    return [
      this.#changed(project, item.rev, { ...image, status: "deleting" }),
      this.#counted(project, rev, { ...count, deleting: count.deleting + 1 }),
    ];
  }

  /** The edge has deleted it, or never had it: the row goes. Nothing to write when it has gone. */
  async deleted(project: string, id: string): Promise<Write[]> {
    const item = await this.#image(project, id);
    return item && item.data.containers.length === 0 ? this.#gone(project, item) : [];
  }

  /** An `active` image that the edge no longer holds. */
  async lost(project: string, id: string): Promise<Write[]> {
    const item = await this.#image(project, id);
    if (item?.data.status !== "active") return [];
    const message = "LOST: the edge does not hold the file any more";
    return [this.#changed(project, item.rev, { ...item.data, status: "error", message })];
  }

  /** @throws 404, 400 Ecs.0032 for one that is not active, Ecs.0005 for a pair that exists or a bound that is met */
  async associate(project: string, id: string, container: string): Promise<void> {
    await optimistically(async () => {
      const [item, group] = await Promise.all([
        this.#image(project, id),
        this.#records.get<ContainerRecord>(keys.container(project, container)),
      ]);
      if (!item) throw REFUSALS.unknownImage(project, id);
      if (item.data.status !== "active") throw REFUSALS.notActive();
      const { containers } = item.data;
      const images = group?.data.images ?? [];
      if (
        images.includes(id) ||
        images.length >= IMAGE_BOUNDS.ofContainer ||
        containers.length >= IMAGE_BOUNDS.containers
      ) {
        throw REFUSALS.notRelatable(project, id, container);
      }
      await this.#records.transact([
        this.#changed(project, item.rev, { ...item.data, containers: [...containers, container] }),
        {
          put: { ...keys.container(project, container), data: { images: [...images, id] } },
          if: group?.rev ?? 0,
        },
      ]);
    });
  }

  /** @throws 404 for an unknown image, or an unknown pair */
  async disassociate(project: string, id: string, container: string): Promise<void> {
    await optimistically(async () => {
      const [item, group] = await Promise.all([
        this.#image(project, id),
        this.#records.get<ContainerRecord>(keys.container(project, container)),
      ]);
      if (!item) throw REFUSALS.unknownImage(project, id);
      if (!group || !item.data.containers.includes(container))
        throw REFUSALS.unknownPair(project, id, container);
      const images = group.data.images.filter((other) => other !== id);
      const containers = item.data.containers.filter((other) => other !== container);
      await this.#records.transact([
        this.#changed(project, item.rev, { ...item.data, containers }),
        images.length === 0
          ? { delete: keys.container(project, container), if: group.rev }
          : { put: { ...keys.container(project, container), data: { images } }, if: group.rev },
      ]);
    });
  }

  /**
   * Pairs of container images and FPGA images, the latest registration first.
   * @throws 404 for an unknown FPGA image
   */
  async pairs(
    project: string,
    { image: id, container }: { image?: string; container?: string },
  ): Promise<{ container: string; image: ImageRecord }[]> {
    if (id !== undefined) {
      const image = await this.find(project, id);
      if (!image) throw REFUSALS.unknownImage(project, id);
      const meant = image.containers.filter((one) => container === undefined || one === container);
      return meant.toReversed().map((one) => ({ container: one, image }));
    }
    if (container === undefined) return [];
    const group = await this.#records.get<ContainerRecord>(keys.container(project, container));
    const found = await Promise.all((group?.data.images ?? []).map((one) => this.find(project, one)));
    return found
      .flatMap((image) => (image ? [{ container, image }] : []))
      .sort(
        (one, other) =>
          other.image.createdAt - one.image.createdAt || (one.image.id < other.image.id ? 1 : -1),
      );
  }

  #image(project: string, id: string): Promise<Item<ImageRecord> | undefined> {
    return this.#records.get<ImageRecord>(keys.image(project, id));
  }

  async #deletable(project: string, id: string): Promise<Item<ImageRecord>> {
    const item = await this.#image(project, id);
    if (!item) throw REFUSALS.unknownImage(project, id);
    if (item.data.containers.length > 0) throw REFUSALS.protected(project, id);
    return item;
  }

  async #count(project: string): Promise<{ count: CountRecord; rev: number }> {
    const item = await this.#records.get<CountRecord>(keys.count(project));
    return { count: item?.data ?? { rows: 0, deleting: 0 }, rev: item?.rev ?? 0 };
  }

  async #gone(project: string, item: Item<ImageRecord>): Promise<Write[]> {
    const { count, rev } = await this.#count(project);
    const deleting = count.deleting - (item.data.status === "deleting" ? 1 : 0);
    return [
      { delete: keys.image(project, item.data.id), if: item.rev },
      { delete: keys.report(project, item.data.id) },
      { delete: keys.agentLog(project, item.data.id) },
      this.#counted(project, rev, { rows: count.rows - 1, deleting }),
    ];
  }

  #changed(project: string, rev: number, image: ImageRecord): Write {
    return { put: { ...keys.image(project, image.id), data: image }, if: rev };
  }

  #counted(project: string, rev: number, count: CountRecord): Write {
    return { put: { ...keys.count(project), data: count }, if: rev };
  }
}
