import type { DatabaseSync } from "node:sqlite";
import { migrate } from "../../database/migrate.ts";

/** What of a command's log was handed out last: the chunk `seq`, bytes `from` to `to`. `end`: the command has ended. */
export type Sent = { command: string; user: string; seq: number; from: number; to: number; end: boolean };

/**
 * How far the logs of commands were sent, durable: a chunk is noted before it is sent, so that after a crash the same
 * bytes go out under the same number again.
 */
export class SentTable {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    migrate(database);
  }

  all(): Sent[] {
    return this.#database
      .prepare("SELECT * FROM command_logs ORDER BY command")
      .all()
      .map((row) => ({
        command: String(row.command),
        user: String(row.user),
        seq: Number(row.seq),
        from: Number(row.sent_from),
        to: Number(row.sent_to),
        end: row.ended === 1,
      }));
  }

  set({ command, user, seq, from, to, end }: Sent): void {
    this.#database
      .prepare(
        `INSERT INTO command_logs (command, user, seq, sent_from, sent_to, ended) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET seq = excluded.seq, sent_from = excluded.sent_from,
           sent_to = excluded.sent_to, ended = excluded.ended`,
      )
      .run(command, user, seq, from, to, end ? 1 : 0);
  }

  delete(command: string): void {
    this.#database.prepare("DELETE FROM command_logs WHERE command = ?").run(command);
  }
}
