import type { DatabaseSync } from "node:sqlite";
import { MIGRATIONS } from "./migrations.ts";
import { transaction } from "./transaction.ts";

/** The database was written by a newer version of the agent. */
export class NewerDatabase extends Error {
  override readonly name = "NewerDatabase";
}

/**
 * Brings the agent's database to this version's tables, each step in a transaction of its own. Cheap when nothing is
 * to be done.
 * @throws NewerDatabase when a newer version has written it: its tables may mean something else
 */
export function migrate(database: DatabaseSync, migrations = MIGRATIONS): void {
  const found = Number(database.prepare("PRAGMA user_version").get()?.user_version);
  if (found > migrations.length) {
    throw new NewerDatabase(
      `The agent's state was written by a newer version of the agent (its tables are of version ${found}, this program knows ${migrations.length}): start that version, or a newer one`,
    );
  }
  for (const [i, step] of migrations.entries()) {
    if (i < found) continue;
    transaction(database, () => {
      step(database);
      database.exec(`PRAGMA user_version = ${i + 1}`);
    });
  }
}
