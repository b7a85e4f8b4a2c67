import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { Logger } from "pino";
import { PerigeeError } from "#protocol/errors.ts";
import { LOG_CHUNK_BYTES } from "#protocol/wire.ts";
import { Backoff } from "../../backoff.ts";
import { LogFile } from "./log-file.ts";
import { type Sent, SentTable } from "./sent-table.ts";

/** Sends a chunk to the ground; throws when it did not land. The same `seq` sent twice lands once. */
export type SendCommandLog = (
  chunk: { user: string; command: string; seq: number; end: boolean },
  data: Buffer,
) => Promise<void>;

export type CommandLogsDeps = {
  /** where the logs lie until they are sent */
  directory: string;
  database: DatabaseSync;
  send: SendCommandLog;
  log: Logger;
};

/** Where a command writes its log. */
export type CommandLogWriter = {
  /** adds text that may hold several lines */
  write(text: string): void;
  /** the command has ended: nothing more is written */
  end(): void;
};

type Open = { sent: Sent; file: LogFile; ended: boolean };

/** Answers that trying again does not change, such as that of a ground which has no such route. */
const REFUSED: ReadonlySet<string> = new Set([
  "NOT_FOUND",
  "COMMAND_NOT_FOUND",
  "INVALID_PARAMETERS",
  "BODY_TOO_LARGE",
]);

/** ms in which lines are gathered before they are sent */
const FLUSH_MS = 500;

/**
 * The logs of commands that write one while they work, such as builds: kept on the edge's disk until the ground has
 * them, in order, each line once. A command never waits for its log to be sent.
 */
export class CommandLogs {
  readonly #deps: CommandLogsDeps;
  readonly #table: SentTable;
  readonly #open = new Map<string, Open>();
  readonly #closed = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;

  constructor(deps: CommandLogsDeps) {
    this.#deps = deps;
    this.#table = new SentTable(deps.database);
    mkdirSync(deps.directory, { recursive: true, mode: 0o700 });
  }

  /**
   * Goes on with what an earlier life of the agent did not send.
   * @param unfinished ids of commands that will be done again, and go on with their logs themselves
   */
  start(unfinished: ReadonlySet<string>): void {
    for (const sent of this.#table.all()) {
      this.#open.set(sent.command, {
        sent,
        file: new LogFile(this.#path(sent.command)),
        ended: !unfinished.has(sent.command),
      });
    }
    this.#soon();
  }

  /** The log of a command that begins, or begins again. */
  open({ id, user }: { id: string; user: string }): CommandLogWriter {
    const before = this.#open.get(id);
    before?.file.again();
    const open = before ?? this.#begin(id, user);
    return {
      write: (text) => {
        if (open.ended || this.#closed.signal.aborted) return;
        open.file.write(text);
        this.#soon();
      },
      end: () => {
        if (open.ended || this.#closed.signal.aborted) return;
        open.file.end();
        open.ended = true;
        this.#soon();
      },
    };
  }

  /** Stops sending; what was not sent is sent by the next life. */
  async close(): Promise<void> {
    this.#closed.abort();
    clearTimeout(this.#timer);
    await this.#sending;
    for (const { file } of this.#open.values()) file.close();
  }

  #begin(command: string, user: string): Open {
    const sent: Sent = { command, user, seq: -1, from: 0, to: 0, end: false };
    this.#table.set(sent);
    const open = { sent, file: new LogFile(this.#path(command)), ended: false };
    this.#open.set(command, open);
    return open;
  }

  #soon(): void {
    if (this.#closed.signal.aborted || this.#sending) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#sending = this.#sendAll().finally(() => {
        this.#sending = undefined;
        if ([...this.#open.values()].some(hasMore)) this.#soon();
      });
    }, FLUSH_MS);
  }

  async #sendAll(): Promise<void> {
    for (const open of [...this.#open.values()]) {
      try {
        if (await this.#sendOne(open)) this.#forget(open);
      } catch (error) {
        if (this.#closed.signal.aborted) return;
        const { command } = open.sent;
        this.#deps.log.error({ err: error, command }, "the log of a command is given up");
        this.#forget(open);
      }
    }
  }

  /** @returns whether all of it is on the ground and nothing more will come */
  async #sendOne(open: Open): Promise<boolean> {
    // What an earlier life noted and perhaps did not send.
    if (open.sent.seq >= 0) await this.#deliver(open);
    while (hasMore(open) && !open.sent.end) {
      const from = open.sent.to;
      const to = Math.min(open.file.bytes, from + LOG_CHUNK_BYTES);
      const end = open.ended && to === open.file.bytes;
      open.sent = { ...open.sent, seq: open.sent.seq + 1, from, to, end };
      this.#table.set(open.sent);
      await this.#deliver(open);
    }
    return open.sent.end;
  }

  async #deliver({ sent, file }: Open): Promise<void> {
    const { user, command, seq, end } = sent;
    const backoff = new Backoff();
    for (;;) {
      this.#closed.signal.throwIfAborted();
      try {
        return await this.#deps.send({ user, command, seq, end }, file.read(sent.from, sent.to));
      } catch (error) {
        if (error instanceof PerigeeError && REFUSED.has(error.code)) throw error;
        await backoff.wait(this.#closed.signal);
      }
    }
  }

  #forget(open: Open): void {
    const { sent, file } = open;
    // who still writes to it is not heard any more
    open.ended = true;
    this.#open.delete(sent.command);
    this.#table.delete(sent.command);
    file.close();
    rmSync(this.#path(sent.command), { force: true });
  }

  #path(command: string): string {
    return join(this.#deps.directory, `${command}.log`);
  }
}

function hasMore({ sent, file, ended }: Open): boolean {
  return file.bytes > sent.to || (ended && !sent.end);
}
