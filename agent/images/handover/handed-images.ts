import type { DatabaseSync } from "node:sqlite";
import * as z from "zod";
import { migrate } from "../../database/migrate.ts";
import { storedJson } from "../../database/stored-json.ts";
import type { NeededImage } from "./image-handover.ts";
import type { Blob, StoredImage } from "./registry-client.ts";
import { SEAL } from "./sealed-image.ts";

/**
 * An image that was given to the registry. `pushing`: it may be there or not; `held`: pods may name it;
 * `deleted`: its manifest is gone or never came, its blobs take room until they are collected.
 */
export type HandedImage = NeededImage & {
  repository: string;
  tag: string;
  state: "pushing" | "held" | "deleted";
  digest: string | undefined;
  blobs: Blob[];
  /** ms since 1970 */
  usedAt: number;
  /** what was made of it, {@link SEAL}; empty: an earlier version pushed it as the engine has it */
  seal: string;
};

type Row = Record<"user" | "image_id" | "repository" | "tag" | "state" | "blobs" | "seal", string> & {
  digest: string | null;
  used_at: number;
};

const storedBlobs = z.array(z.object({ digest: z.string(), size: z.number() }));

/** What this agent has put in the registry: durable, so that nothing is forgotten there. */
export class HandedImages {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    migrate(db);
  }

  all(): HandedImage[] {
    return (this.#db.prepare("SELECT * FROM handed_images").all() as unknown as Row[]).map(read);
  }

  get({ user, imageId }: NeededImage): HandedImage | undefined {
    const row = this.#db
      .prepare("SELECT * FROM handed_images WHERE user = ? AND image_id = ?")
      .get(user, imageId) as Row | undefined;
    return row && read(row);
  }

  /** To be called before the registry hears of it. @param bytes most that it may leave there, should it be cut short */
  begin(
    { user, imageId }: NeededImage,
    name: { repository: string; tag: string },
    bytes: number,
    now: number,
  ) {
    const blobs: Blob[] = [{ digest: `push of ${user} ${imageId}`, size: bytes }];
    this.#db
      .prepare("INSERT OR REPLACE INTO handed_images VALUES (?, ?, ?, ?, 'pushing', NULL, ?, ?, ?)")
      .run(user, imageId, name.repository, name.tag, JSON.stringify(blobs), now, SEAL);
  }

  hold({ user, imageId }: NeededImage, { digest, blobs }: StoredImage): void {
    this.#db
      .prepare(
        "UPDATE handed_images SET state = 'held', digest = ?, blobs = ? WHERE user = ? AND image_id = ?",
      )
      .run(digest, JSON.stringify(blobs), user, imageId);
  }

  used({ user, imageId }: NeededImage, now: number): void {
    this.#db
      .prepare("UPDATE handed_images SET used_at = ? WHERE user = ? AND image_id = ?")
      .run(now, user, imageId);
  }

  markDeleted({ user, imageId }: NeededImage): void {
    this.#db
      .prepare("UPDATE handed_images SET state = 'deleted' WHERE user = ? AND image_id = ?")
      .run(user, imageId);
  }

  /** Was a collection begun that nobody has seen to end? */
  get collecting(): boolean {
    return this.#db.prepare("SELECT 1 FROM registry_collections").get() !== undefined;
  }

  /** To be called before it begins. */
  beginCollection(now: number): void {
    this.#db.prepare("INSERT INTO registry_collections VALUES (?)").run(now);
  }

  endCollection(): void {
    this.#db.exec("DELETE FROM registry_collections");
  }

  forgetDeleted(): void {
    this.#db.exec("DELETE FROM handed_images WHERE state = 'deleted'");
  }
}

function read(row: Row): HandedImage {
  return {
    user: row.user,
    imageId: row.image_id,
    repository: row.repository,
    tag: row.tag,
    state: row.state as HandedImage["state"],
    digest: row.digest ?? undefined,
    // unreadable: its bytes are not counted until it is pushed again
    blobs: storedJson(storedBlobs, row.blobs) ?? [],
    usedAt: row.used_at,
    seal: row.seal,
  };
}
