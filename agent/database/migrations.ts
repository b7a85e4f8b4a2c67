import type { DatabaseSync } from "node:sqlite";
import { imagesInSpaces } from "../images/image-table.ts";
import { runsWithVolumes } from "../pods/runs/run-table.ts";

/**
 * The agent's database, one step after the other: a step that was released is never changed. The number of steps done
 * is the database's `user_version`; versions 0.1 and 0.2 of the agent did not count, so what they may have made
 * already is made only where it is missing.
 */
export const MIGRATIONS: readonly ((database: DatabaseSync) => void)[] = [
  tablesOfFirstVersion,
  sealOfHandedImages,
  attemptsInJournal,
  runsWithVolumes,
  imagesInSpaces,
  whatIsSentUp,
  failedSubmissions,
  poolsOfRunners,
  loadsOfFpgas,
  boundsOfVolumes,
];

/** 1: as version 0.1.0 made them, each when its part first opened it. */
function tablesOfFirstVersion(database: DatabaseSync): void {
  database.exec(`
    CREATE TABLE IF NOT EXISTS journal_meta (id TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS journal (
      command TEXT PRIMARY KEY, user TEXT NOT NULL, operation TEXT NOT NULL, outcome TEXT
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS journal_notes (
      command TEXT NOT NULL, n INTEGER NOT NULL, step TEXT NOT NULL, detail TEXT, PRIMARY KEY (command, n)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS volumes (
      user TEXT, volume TEXT, created INTEGER NOT NULL, PRIMARY KEY (user, volume)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS images (
      user TEXT NOT NULL, name TEXT NOT NULL, tag TEXT NOT NULL, id TEXT NOT NULL, created INTEGER NOT NULL,
      PRIMARY KEY (user, name, tag)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS images_id ON images (id);
    CREATE TABLE IF NOT EXISTS public_images (
      reference TEXT PRIMARY KEY, source TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS image_marks (mark TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS released_images (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS handed_images (
      user TEXT NOT NULL, image_id TEXT NOT NULL, repository TEXT NOT NULL, tag TEXT NOT NULL,
      state TEXT NOT NULL, digest TEXT, blobs TEXT NOT NULL, used_at INTEGER NOT NULL,
      PRIMARY KEY (user, image_id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS registry_collections (since INTEGER NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS pod_runs (
      n INTEGER PRIMARY KEY AUTOINCREMENT,
      run TEXT NOT NULL UNIQUE,
      user TEXT NOT NULL,
      pod TEXT NOT NULL,
      volume TEXT NOT NULL,
      volume_path TEXT NOT NULL,
      input TEXT NOT NULL,
      accepted_at INTEGER NOT NULL,
      state TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS pod_logs (run TEXT PRIMARY KEY, cursor TEXT NOT NULL) STRICT;
  `);
}

/** 2: what an image was made into before it was handed over. Version 0.2.0 added it without counting. */
function sealOfHandedImages(database: DatabaseSync): void {
  const columns = database.prepare("SELECT name FROM pragma_table_info('handed_images')").all();
  if (columns.some(({ name }) => name === "seal")) return;
  database.exec("ALTER TABLE handed_images ADD COLUMN seal TEXT NOT NULL DEFAULT ''");
}

/**
 * 3: how often the agent's process died under a command (null: noted by an earlier version, which did not count), and
 * how many notes it had when the attempt under way began (null: none is). Rows that cannot be read are put aside.
 */
function attemptsInJournal(database: DatabaseSync): void {
  database.exec(`
    ALTER TABLE journal ADD COLUMN deaths INTEGER;
    ALTER TABLE journal ADD COLUMN steps INTEGER;
    CREATE TABLE broken_rows (source TEXT NOT NULL, row TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
  `);
}

/**
 * 6: how far objects are that go up in parts, the streams that were gathered for them, and the logs of commands. Made
 * only where they are missing, as they were there for a while before they were counted.
 */
function whatIsSentUp(database: DatabaseSync): void {
  database.exec(`
    CREATE TABLE IF NOT EXISTS outgoing_transfers (
      command TEXT NOT NULL,
      n INTEGER NOT NULL,
      pin TEXT NOT NULL,
      transfer TEXT NOT NULL,
      part_bytes INTEGER NOT NULL,
      done INTEGER NOT NULL,
      crc INTEGER NOT NULL,
      made INTEGER NOT NULL,
      PRIMARY KEY (command, n)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS outgoing_spools (
      command TEXT NOT NULL,
      n INTEGER NOT NULL,
      size INTEGER NOT NULL,
      xxh64 TEXT NOT NULL,
      made INTEGER NOT NULL,
      PRIMARY KEY (command, n)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS command_logs (
      command TEXT PRIMARY KEY, user TEXT NOT NULL, seq INTEGER NOT NULL, sent_from INTEGER NOT NULL,
      sent_to INTEGER NOT NULL, ended INTEGER NOT NULL
    ) WITHOUT ROWID, STRICT;
  `);
}

/** 7: submissions of jobs of which one has failed. */
function failedSubmissions(database: DatabaseSync): void {
  database.exec(`
    CREATE TABLE failed_submissions (
      n INTEGER PRIMARY KEY AUTOINCREMENT,
      user TEXT NOT NULL,
      space TEXT NOT NULL,
      submission TEXT NOT NULL,
      UNIQUE (user, space, submission)
    ) STRICT;
  `);
}

/** 8: the wanted pools of runners as the ground last told them, and the runners. */
function poolsOfRunners(database: DatabaseSync): void {
  database.exec(`
    CREATE TABLE wanted_pools (
      n INTEGER PRIMARY KEY CHECK (n = 1), pools INTEGER NOT NULL, environments TEXT NOT NULL
    ) STRICT;
    CREATE TABLE runners (id TEXT PRIMARY KEY, user TEXT NOT NULL, record TEXT NOT NULL) STRICT, WITHOUT ROWID;
  `);
}

/** 9: every load of an FPGA, noted before it begins. The last one of a node says what its device holds. */
function loadsOfFpgas(database: DatabaseSync): void {
  database.exec(`
    CREATE TABLE fpga_loads (
      n INTEGER PRIMARY KEY AUTOINCREMENT,
      node TEXT NOT NULL,
      adapter TEXT NOT NULL,
      user TEXT NOT NULL,
      image TEXT NOT NULL,
      run TEXT NOT NULL,
      at INTEGER NOT NULL,
      state TEXT NOT NULL,
      message TEXT NOT NULL
    ) STRICT;
  `);
}

/** 10: what a volume may hold, where it was made with a size. */
function boundsOfVolumes(database: DatabaseSync): void {
  database.exec("ALTER TABLE volumes ADD COLUMN most INTEGER");
}
