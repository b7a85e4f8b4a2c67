import type { DatabaseSync } from "node:sqlite";
import { migrate } from "../database/migrate.ts";

/** A submission of a user's. */
export type Submission = { user: string; space: string; submission: string };

/** As many are remembered; those beyond have long run to their end. */
const MOST = 10_000;

/** Submissions of which a job has failed, where the later ones are to be skipped. Durable: it is decided without contact. */
export class FailedSubmissions {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    migrate(database);
    this.#database = database;
  }

  has({ user, space, submission }: Submission): boolean {
    const found = this.#database
      .prepare("SELECT 1 FROM failed_submissions WHERE user = ? AND space = ? AND submission = ?")
      .get(user, space, submission);
    return found !== undefined;
  }

  /** Durable when it returns; again changes nothing. */
  note({ user, space, submission }: Submission): void {
    const { lastInsertRowid, changes } = this.#database
      .prepare("INSERT OR IGNORE INTO failed_submissions (user, space, submission) VALUES (?, ?, ?)")
      .run(user, space, submission);
    if (changes === 0) return;
    this.#database.prepare("DELETE FROM failed_submissions WHERE n <= ?").run(Number(lastInsertRowid) - MOST);
  }
}
