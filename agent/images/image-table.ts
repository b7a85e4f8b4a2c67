import type { DatabaseSync } from "node:sqlite";

/** A step of the database's migrations: images of versions up to 0.2 were in no space. */
export function imagesInSpaces(db: DatabaseSync): void {
  db.exec(`
    CREATE TABLE images_new (
      space TEXT NOT NULL, user TEXT NOT NULL, name TEXT NOT NULL, tag TEXT NOT NULL, id TEXT NOT NULL,
      created INTEGER NOT NULL, PRIMARY KEY (space, user, name, tag)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO images_new SELECT '', user, name, tag, id, created FROM images;
    DROP TABLE images;
    ALTER TABLE images_new RENAME TO images;
    CREATE INDEX images_id ON images (id);
  `);
}
