import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/**
 * Opens the agent's state: journal, pods, images, volumes in one file, durable at every commit.
 * An exclusive lock of the operating system is held on it while it is open, so that one agent at a time
 * works on it; the lock goes with the process however it ends.
 * @throws Error when another agent has it open
 */
export function openStateDatabase(directory: string): DatabaseSync {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const database = new DatabaseSync(join(directory, "agent.sqlite"));
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
  return database;
}
