import type { Staging } from "../ports/staging.ts";
import { joinKey } from "../ports/staging-key.ts";
import type { RowPage } from "./log-rows.ts";
import { type ReadRowsOptions, StoredLogs, type StoredLogsOptions } from "./stored-logs.ts";

/** `command`: its id */
export type CommandLogKey = { edge: string; user: string; command: string };

/** Logs of commands that are kept of each user on each edge: the newest. */
const KEPT = 50;

/** name of the object that says that a log is whole */
const END = "end";

/** The logs of commands that write one while they work, such as a build: kept for a user's newest ones. */
export class CommandLogs {
  readonly #staging: Staging;
  readonly #logs: StoredLogs;

  constructor(staging: Staging, options: StoredLogsOptions = {}) {
    this.#staging = staging;
    this.#logs = new StoredLogs(staging, options);
  }

  /**
   * Adds the next chunk of a command's log; one that landed before changes nothing.
   * @throws PerigeeError BODY_TOO_LARGE over 256 KiB, STORAGE_FULL, INVALID_PATH
   */
  async append(chunk: CommandLogKey & { seq: number; data: Uint8Array }): Promise<void> {
    const place = { within: userPrefix(chunk), name: joinKey(chunk.command), keep: KEPT };
    await this.#logs.append(place, chunk);
  }

  /** The log is whole. */
  async end(key: CommandLogKey): Promise<void> {
    await this.#staging.put(commandPrefix(key) + END, Buffer.of(), { maxBytes: 0 });
  }

  /** Has all of the log arrived? */
  async hasEnded(key: CommandLogKey): Promise<boolean> {
    return (await this.#staging.head(commandPrefix(key) + END)) !== undefined;
  }

  /** Rows of a command's log after a cursor (see {@link StoredLogs.rows}). */
  rows(key: CommandLogKey, options: ReadRowsOptions): Promise<RowPage> {
    return this.#logs.rows(commandPrefix(key), options);
  }
}

// No pod has such a name.
function userPrefix({ edge, user }: CommandLogKey): string {
  return `${joinKey("logs", edge, user)}/_commands/`;
}

function commandPrefix(key: CommandLogKey): string {
  return `${userPrefix(key)}${joinKey(key.command)}/`;
}
