import { randomUUID } from "node:crypto";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import * as z from "zod";
import { killPoint } from "#protocol/kill-point.ts";
import { type Outcome, outcome as storedOutcome } from "#protocol/wire.ts";
import { migrate } from "../database/migrate.ts";
import { putAside, storedJson } from "../database/stored-json.ts";
import { transaction } from "../database/transaction.ts";
import { withoutSync } from "../database/without-sync.ts";
import type { JournalEntry } from "../operation.ts";
import { isDiskFull } from "./state-database.ts";

/** A command as the journal names it. `attempts`: the ground's count of its claims, this one included. */
export type JournalCommand = { id: string; user: string; operation: string; attempts?: number };

/** What earlier attempts of a command left. */
export type Earlier = {
  /** it has ended, and the ground was not told yet */
  outcome: Outcome | undefined;
  /** `commit` was noted: it only goes forward */
  committed: boolean;
  /** what it has noted */
  steps: readonly string[];
  /** attempts that ended with the agent's process and noted no new step */
  deaths: number;
};

/** The outcome that is reported for a command whose noted outcome can no longer be read. */
const UNREADABLE: Outcome = {
  state: "failed",
  failure: {
    code: "INTERRUPTED",
    message: "The command has ended; the edge cannot read its note of how any more",
  },
};

/**
 * What the agent did and is doing, on its own disk: every command that changes something is `started`
 * before and `done` with its outcome after. What was written is durable when the call returns.
 * It holds the commands that are under way, and the outcomes whose reports were not acknowledged yet.
 *
 * It also counts under which commands the process died: what only reads is noted for that alone, past the disk's
 * buffers, as a power cut is no fault of the command.
 */
export class Journal {
  /** Tells this journal from any other: a new disk is a new journal. */
  readonly id: string;
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #restart: StatementSync;
  readonly #finish: StatementSync;
  readonly #entry: StatementSync;
  readonly #note: StatementSync;
  readonly #notes: StatementSync;
  readonly #pause: StatementSync;
  readonly #wait: StatementSync;
  readonly #resume: StatementSync;
  readonly #delete: StatementSync;
  readonly #deleteNotes: StatementSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    migrate(database);
    const found = database.prepare("SELECT id FROM journal_meta").get();
    this.id = found ? String(found.id) : randomUUID();
    if (!found) database.prepare("INSERT INTO journal_meta (id) VALUES (?)").run(this.id);
    this.#insert = database.prepare(
      "INSERT INTO journal (command, user, operation, deaths, steps) VALUES (?, ?, ?, 0, 0)",
    );
    this.#restart = database.prepare("UPDATE journal SET deaths = ?, steps = ? WHERE command = ?");
    this.#finish = database.prepare("UPDATE journal SET outcome = ? WHERE command = ?");
    this.#entry = database.prepare("SELECT outcome, deaths, steps FROM journal WHERE command = ?");
    this.#note = database.prepare("INSERT INTO journal_notes (command, n, step, detail) VALUES (?, ?, ?, ?)");
    this.#notes = database.prepare("SELECT step, detail FROM journal_notes WHERE command = ? ORDER BY n");
    this.#pause = database.prepare("UPDATE journal SET steps = NULL WHERE command = ?");
    this.#wait = database.prepare(
      "UPDATE journal SET steps = NULL WHERE command = ?1 AND steps = (SELECT count(*) FROM journal_notes WHERE command = ?1)",
    );
    this.#resume = database.prepare(
      "UPDATE journal SET steps = (SELECT count(*) FROM journal_notes WHERE command = ?1) WHERE command = ?1",
    );
    this.#delete = database.prepare("DELETE FROM journal WHERE command = ?");
    this.#deleteNotes = database.prepare("DELETE FROM journal_notes WHERE command = ?");
  }

  /** What earlier attempts left of a command, before it is started again. */
  earlier({ id, attempts = 1 }: Pick<JournalCommand, "id" | "attempts">): Earlier {
    const entry = this.#entry.get(id);
    const steps = entry ? this.#notes.all(id).map(({ step }) => String(step)) : [];
    return {
      outcome: this.outcome(id),
      committed: steps.includes("commit"),
      steps,
      deaths: entry ? deathsOf(entry, steps.length, attempts) : 0,
    };
  }

  /**
   * Notes that a command begins; a second start of it finds the notes of the first.
   * @param committed called when `commit` is noted: from then on a cancel comes too late
   * @param durable false for what changes nothing: noted so that a death of the process is counted, and no more
   */
  start(command: JournalCommand, committed: () => void, durable = true): JournalEntry {
    const { id, user, operation, attempts = 1 } = command;
    const entry = this.#entry.get(id);
    const earlier = this.#readNotes(id);
    let n = earlier.length;
    const write = () => {
      if (!entry) this.#insert.run(id, user, operation);
      else this.#restart.run(deathsOf(entry, n, attempts), n, id);
    };
    if (durable) write();
    else this.#past(write);
    if (earlier.some(({ step }) => step === "commit")) committed();
    if (durable) killPoint("journal.started");
    const noted = (step: string, detail: unknown, how: (write: () => void) => void) => {
      if (!durable) throw new Error("an operation that changes nothing has no journal");
      killPoint(`journal.before.${step}`);
      how(() => void this.#note.run(id, n, step, detail === undefined ? null : JSON.stringify(detail)));
      n++;
      if (step === "commit") committed();
      killPoint(`journal.after.${step}`);
    };
    return {
      notes: earlier,
      note: (step, detail, also) => noted(step, detail, (write) => this.#together(write, also)),
      noteSoon: (step, detail) => noted(step, detail, (write) => withoutSync(this.#database, write)),
    };
  }

  /** The attempt under way ends without an outcome, as the agent stops: no death of the process. */
  interrupted(command: string): void {
    this.#past(() => this.#pause.run(command));
  }

  /**
   * From now on the command only waits: a death of the process, or a power cut, is none under it, until it
   * {@link Journal.goesOn}. Nothing is written where its attempt has noted a step: none would count anyway. Without room
   * for the note it counts as before.
   */
  waits(command: string): void {
    try {
      this.#wait.run(command);
    } catch (error) {
      if (!isDiskFull(error)) throw error;
    }
  }

  /** A command that has waited works again. */
  goesOn(command: string): void {
    this.#past(() => this.#resume.run(command));
  }

  /** The outcome of a command that is done but whose report was not acknowledged yet. */
  outcome(command: string): Outcome | undefined {
    const text = this.#entry.get(command)?.outcome;
    if (typeof text !== "string" || text === "") return undefined;
    const outcome = storedJson(storedOutcome, text);
    if (outcome) return outcome;
    putAside(this.#database, "journal", { command, outcome: text });
    this.#finish.run(JSON.stringify(UNREADABLE), command);
    return UNREADABLE;
  }

  /** @param also writes to the same database that are made together with this one, or not at all */
  done(command: string, outcome: Outcome, also?: () => void): void {
    killPoint("journal.before.done");
    this.#together(() => this.#finish.run(JSON.stringify(outcome), command), also);
    killPoint("journal.after.done");
  }

  /** Every command in it: started, or done and not acknowledged. */
  open(): { command: string; user: string; outcome: Outcome | undefined }[] {
    const rows = this.#database.prepare("SELECT command, user FROM journal ORDER BY command").all();
    return rows.map((row) => ({
      command: String(row.command),
      user: String(row.user),
      outcome: this.outcome(String(row.command)),
    }));
  }

  /**
   * Deletes a command whose outcome the ground has acknowledged, or that the ground ended itself. On a full disk, or
   * with a power cut soon after, the row stays, and the next start of the agent reports the outcome again.
   */
  forget(command: string): void {
    if (!this.#entry.get(command)) return;
    this.#past(() => {
      transaction(this.#database, () => {
        this.#delete.run(command);
        this.#deleteNotes.run(command);
      });
    });
  }

  /** A command that changes nothing has ended, however. */
  readEnded(command: string): void {
    this.#past(() => this.#delete.run(command));
  }

  #together(write: () => void, also: (() => void) | undefined): void {
    if (!also) write();
    else {
      transaction(this.#database, () => {
        write();
        also();
      });
    }
  }

  #readNotes(id: string): JournalEntry["notes"] {
    return this.#notes.all(id).map(({ step, detail }) => ({
      step: String(step),
      // what cannot be read is as if it had not been written: the step was taken all the same
      detail: detail === null ? undefined : storedJson(z.unknown(), detail),
    }));
  }

  /** Writes what survives the process, and not a power cut or a full disk: without waiting for the disk. */
  #past(write: () => void): void {
    try {
      withoutSync(this.#database, write);
    } catch (error) {
      if (!isDiskFull(error)) throw error;
    }
  }
}

/** Deaths so far, the attempt that never ended included; an earlier version's entry has the ground's count only. */
function deathsOf(entry: Record<string, unknown>, notes: number, attempts: number): number {
  if (entry.deaths === null) return Math.max(0, attempts - 1);
  return Number(entry.deaths) + (entry.steps === notes ? 1 : 0);
}
