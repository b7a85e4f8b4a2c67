import type { DatabaseSync } from "node:sqlite";

const COLUMNS = `
  space TEXT NOT NULL, user TEXT NOT NULL, name TEXT NOT NULL, tag TEXT NOT NULL, id TEXT NOT NULL,
  created INTEGER NOT NULL, PRIMARY KEY (space, user, name, tag)`;

/** Makes the table of users' images, or migrates that of versions up to 0.2, which knew no spaces. */
export function openImageTable(db: DatabaseSync): void {
  db.exec(`CREATE TABLE IF NOT EXISTS images (${COLUMNS}) STRICT, WITHOUT ROWID`);
  const columns = db.prepare("SELECT name FROM pragma_table_info('images')").all();
  if (!columns.some(({ name }) => name === "space")) {
    db.exec("BEGIN IMMEDIATE");
    try {
      db.exec(`
        CREATE TABLE images_new (${COLUMNS}) STRICT, WITHOUT ROWID;
        INSERT INTO images_new SELECT '', user, name, tag, id, created FROM images;
        DROP TABLE images;
        ALTER TABLE images_new RENAME TO images;
        COMMIT`);
    } catch (error) {
      db.exec("ROLLBACK");
      throw error;
    }
  }
  db.exec("CREATE INDEX IF NOT EXISTS images_id ON images (id)");
}
