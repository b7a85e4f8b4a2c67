import { chmodSync, closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { migrate } from "../database/migrate.ts";

/**
 * Opens the agent's state: journal, pods, images, volumes in one file, durable at every commit.
 * An exclusive lock of the operating system is held on it while it is open, so that one agent at a time
 * works on it; the lock goes with the process however it ends.
 * @throws Error when another agent has it open; NewerDatabase when a newer version of the agent has written it
 */
export function openStateDatabase(directory: string): DatabaseSync {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, "agent.sqlite");
  createPrivate(path);
  const database = new DatabaseSync(path);
  try {
    database.exec(`
      PRAGMA busy_timeout = 2000;
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      BEGIN EXCLUSIVE;
      COMMIT;
    `);
  } catch (error) {
    database.close();
    throw new Error(`The agent's state in ${directory} is in use by another agent`, { cause: error });
  }
  try {
    migrate(database);
  } catch (error) {
    database.close();
    throw error;
  }
  return database;
}

/** The agent's alone; SQLite gives its other files the mode of this one. */
function createPrivate(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    // by path: opening and closing it would drop the locks that this process may hold on it
    chmodSync(path, 0o600);
  }
}

/** Did SQLite find the disk full? Nothing of that statement was written. */
export function isDiskFull(error: unknown): boolean {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === "number" && (code & 0xff) === 13;
}
