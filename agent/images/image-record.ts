import type { DatabaseSync } from "node:sqlite";
import type { ImageName } from "#protocol/image-reference.ts";
import { inSpace } from "#protocol/names.ts";
import { migrate } from "../database/migrate.ts";
import { transaction } from "../database/transaction.ts";

export type RecordedImage = ImageName & {
  user: string;
  /** the user, with the space if the image is in one: who may name it */
  owner: string;
  id: string;
  created: number;
};

type Row = ImageName & { space: string; user: string; id: string; created: number };

/** Who owns which image and which are public: the agent's durable word on it, in its state database. */
export class ImageRecord {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    migrate(db);
  }

  get(owner: string, image: ImageName): RecordedImage | undefined {
    const row = this.#db
      .prepare("SELECT * FROM images WHERE space = ? AND user = ? AND name = ? AND tag = ?")
      .get(...partsOf(owner), image.name, image.tag) as Row | undefined;
    return row && recorded(row);
  }

  /** The images of one owner: of a user outside of all spaces, or in one. */
  list(owner: string): RecordedImage[] {
    return this.#db
      .prepare("SELECT * FROM images WHERE space = ? AND user = ? ORDER BY name, tag")
      .all(...partsOf(owner))
      .map((row) => recorded(row as Row));
  }

  /** The images of a user in all spaces: they count together. */
  listAll(user: string): RecordedImage[] {
    return this.#db
      .prepare("SELECT * FROM images WHERE user = ? ORDER BY space, name, tag")
      .all(user)
      .map((row) => recorded(row as Row));
  }

  all(): RecordedImage[] {
    return this.#db
      .prepare("SELECT * FROM images")
      .all()
      .map((row) => recorded(row as Row));
  }

  /** Gives the name to `id`; what had it is released in the same transaction. */
  put(owner: string, image: ImageName, id: string, created: number): void {
    transaction(this.#db, () => {
      const before = this.get(owner, image);
      if (before?.id === id) return;
      if (before) this.release(before.id);
      this.#db
        .prepare(
          "INSERT OR REPLACE INTO images (space, user, name, tag, id, created) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .run(...partsOf(owner), image.name, image.tag, id, created);
    });
  }

  /** Takes the name away and releases its image. */
  remove(owner: string, image: ImageName): void {
    transaction(this.#db, () => {
      const before = this.get(owner, image);
      if (!before) return;
      this.release(before.id);
      this.#db
        .prepare("DELETE FROM images WHERE space = ? AND user = ? AND name = ? AND tag = ?")
        .run(...partsOf(owner), image.name, image.tag);
    });
  }

  hasId(id: string): boolean {
    return this.#db.prepare("SELECT 1 FROM images WHERE id = ? LIMIT 1").get(id) !== undefined;
  }

  /** The image lost a name: it may go once nothing holds it. */
  release(id: string): void {
    this.#db.prepare("INSERT OR IGNORE INTO released_images (id) VALUES (?)").run(id);
  }

  /** Images that lost a name and are to go once nothing holds them. */
  released(): string[] {
    return this.#db
      .prepare("SELECT id FROM released_images")
      .all()
      .map((row) => row.id as string);
  }

  forgetReleased(id: string): void {
    this.#db.prepare("DELETE FROM released_images WHERE id = ?").run(id);
  }

  /** Public names: those the operator published, and with `snapshot` those of the first start. */
  publicNames(snapshot: boolean): string[] {
    return this.#db
      .prepare("SELECT reference FROM public_images WHERE source = 'operator' OR ? ORDER BY reference")
      .all(snapshot ? 1 : 0)
      .map((row) => row.reference as string);
  }

  publish(reference: string): void {
    this.#db
      .prepare("INSERT OR REPLACE INTO public_images (reference, source) VALUES (?, 'operator')")
      .run(reference);
  }

  /** Was the engine's list of public images read before? */
  get snapshotTaken(): boolean {
    return this.#has("snapshot");
  }

  /** Has the agent lived on this machine before, with a record that is lost? Then nothing is made public by itself. */
  get earlierLife(): boolean {
    return this.#has("earlier-life");
  }

  /** Notes durably, at the record's very first use only, whether there are traces of an earlier life. */
  begin(traces: boolean): void {
    if (this.#has("begun")) return;
    transaction(this.#db, () => {
      if (traces && !this.snapshotTaken) this.noteEarlierLife();
      this.#mark("begun");
    });
  }

  noteEarlierLife(): void {
    this.#mark("earlier-life");
  }

  /** Keeps the public images of the first start for good. */
  saveSnapshot(references: readonly string[]): void {
    transaction(this.#db, () => {
      const insert = this.#db.prepare(
        "INSERT OR IGNORE INTO public_images (reference, source) VALUES (?, 'snapshot')",
      );
      for (const reference of references) insert.run(reference);
      this.#mark("snapshot");
    });
  }

  #has(mark: string): boolean {
    return this.#db.prepare("SELECT 1 FROM image_marks WHERE mark = ?").get(mark) !== undefined;
  }

  #mark(mark: string): void {
    this.#db.prepare("INSERT OR IGNORE INTO image_marks (mark) VALUES (?)").run(mark);
  }
}

/** Space and user, as the table has them: the space of what is in none is empty. */
function partsOf(owner: string): [space: string, user: string] {
  const [user = "", space = ""] = owner.split(".");
  return [space, user];
}

function recorded({ space, ...row }: Row): RecordedImage {
  return { ...row, owner: inSpace(row.user, space || undefined) };
}
