import { randomUUID } from "node:crypto";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { killPoint } from "#protocol/kill-point.ts";
import type { Outcome } from "#protocol/wire.ts";
import type { JournalEntry } from "../operation.ts";

/**
 * What the agent did and is doing, on its own disk: every command that changes something is `started`
 * before and `done` with its outcome after. What was written is durable when the call returns.
 * It holds at most one started command and the outcomes whose reports were not acknowledged yet.
 */
export class Journal {
  /** Tells this journal from any other: a new disk is a new journal. */
  readonly id: string;
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #finish: StatementSync;
  readonly #outcome: StatementSync;
  readonly #note: StatementSync;
  readonly #notes: StatementSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    database.exec(`
      CREATE TABLE IF NOT EXISTS journal_meta (id TEXT NOT NULL);
      CREATE TABLE IF NOT EXISTS journal (
        command TEXT PRIMARY KEY, user TEXT NOT NULL, operation TEXT NOT NULL, outcome TEXT
      ) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS journal_notes (
        command TEXT NOT NULL, n INTEGER NOT NULL, step TEXT NOT NULL, detail TEXT, PRIMARY KEY (command, n)
      ) WITHOUT ROWID;
    `);
    const found = database.prepare("SELECT id FROM journal_meta").get();
    this.id = found ? String(found.id) : randomUUID();
    if (!found) database.prepare("INSERT INTO journal_meta (id) VALUES (?)").run(this.id);
    this.#insert = database.prepare(
      "INSERT OR IGNORE INTO journal (command, user, operation) VALUES (?, ?, ?)",
    );
    this.#finish = database.prepare("UPDATE journal SET outcome = ? WHERE command = ?");
    this.#outcome = database.prepare("SELECT outcome FROM journal WHERE command = ?");
    this.#note = database.prepare("INSERT INTO journal_notes (command, n, step, detail) VALUES (?, ?, ?, ?)");
    this.#notes = database.prepare("SELECT step, detail FROM journal_notes WHERE command = ? ORDER BY n");
  }

  /**
   * Notes that a command begins; a second start of it finds the notes of the first.
   * @param committed called when `commit` is noted: from then on a cancel comes too late
   */
  start(command: { id: string; user: string; operation: string }, committed: () => void): JournalEntry {
    const { id, user, operation } = command;
    this.#insert.run(id, user, operation);
    const rows = this.#notes.all(id);
    const earlier = rows.map((row) => ({
      step: String(row.step),
      detail: row.detail === null ? undefined : (JSON.parse(String(row.detail)) as unknown),
    }));
    let n = earlier.length;
    if (earlier.some(({ step }) => step === "commit")) committed();
    killPoint("journal.started");
    return {
      notes: earlier,
      note: (step, detail) => {
        killPoint(`journal.before.${step}`);
        this.#note.run(id, n++, step, detail === undefined ? null : JSON.stringify(detail));
        if (step === "commit") committed();
        killPoint(`journal.after.${step}`);
      },
    };
  }

  /** The outcome of a command that is done but whose report was not acknowledged yet. */
  outcome(command: string): Outcome | undefined {
    const row = this.#outcome.get(command);
    return row?.outcome ? (JSON.parse(String(row.outcome)) as Outcome) : undefined;
  }

  done(command: string, outcome: Outcome): void {
    killPoint("journal.before.done");
    this.#finish.run(JSON.stringify(outcome), command);
    killPoint("journal.after.done");
  }

  /** Every command in it: started, or done and not acknowledged. */
  open(): { command: string; user: string; outcome: Outcome | undefined }[] {
    const rows = this.#database.prepare("SELECT command, user, outcome FROM journal ORDER BY command").all();
    return rows.map((row) => ({
      command: String(row.command),
      user: String(row.user),
      outcome: row.outcome ? (JSON.parse(String(row.outcome)) as Outcome) : undefined,
    }));
  }

  /** The ground has the outcome, or ended the command itself: nobody will ask for it again. */
  forget(command: string): void {
    if (!this.#outcome.get(command)) return;
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      this.#database.prepare("DELETE FROM journal WHERE command = ?").run(command);
      this.#database.prepare("DELETE FROM journal_notes WHERE command = ?").run(command);
      this.#database.exec("COMMIT");
    } catch (error) {
      this.#database.exec("ROLLBACK");
      throw error;
    }
  }
}
