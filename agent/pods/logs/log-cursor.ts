import { createHash } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import * as z from "zod";
import { migrate } from "../../database/migrate.ts";
import { storedJson } from "../../database/stored-json.ts";
import { withoutSync } from "../../database/without-sync.ts";
import type { LogFrame } from "../pod-runtime.ts";
import type { Carried } from "./log-rows.ts";

/**
 * Names a frame of a log by what it is, not by its place: the engine drops old lines, and its clock may step.
 * `count` tells equal frames in a row apart.
 */
export type Anchor = { time: string; stream: string; hash: string; count: number };

/**
 * The chunk that was handed out last: the frames after `from` (undefined: the first) up to `to`. `carried`: beginnings
 * of lines that were held at `from`. `ended`: the log ended in it, lines without an end included.
 */
export type LogCursor = {
  seq: number;
  from?: Anchor;
  to: Anchor;
  carried?: Carried;
  ended?: true;
  /** of all chunks up to this one; earlier versions did not count them */
  bytes?: number;
};

/** The anchor of `frame` when the frame before it was `before`. */
export function anchorOf(frame: LogFrame, before: Anchor | undefined): Anchor {
  const hash = createHash("sha1").update(frame.text).digest("base64url");
  const same =
    before !== undefined &&
    before.time === frame.time &&
    before.stream === frame.stream &&
    before.hash === hash;
  return { time: frame.time, stream: frame.stream, hash, count: same ? before.count + 1 : 1 };
}

/** Looks for the frame of an anchor among frames in order. Only those of its time are hashed. */
export class AnchorSearch {
  readonly #anchor: Anchor;
  #last: Anchor | undefined;

  constructor(anchor: Anchor) {
    this.#anchor = anchor;
  }

  /** of the frame that is looked for */
  get time(): string {
    return this.#anchor.time;
  }

  /** Is the next frame the one? */
  isAt(frame: LogFrame): boolean {
    this.#last = frame.time === this.#anchor.time ? anchorOf(frame, this.#last) : undefined;
    return sameAnchor(this.#last, this.#anchor);
  }
}

export function sameAnchor(a: Anchor | undefined, b: Anchor | undefined): boolean {
  return (
    a !== undefined &&
    b !== undefined &&
    a.time === b.time &&
    a.stream === b.stream &&
    a.hash === b.hash &&
    a.count === b.count
  );
}

const storedCursor = z.looseObject({ seq: z.number().int(), to: z.looseObject({ time: z.string() }) });

/** Durable cursors, by run. */
export class LogCursors {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    migrate(db);
  }

  get(run: string): LogCursor | undefined {
    const row = this.#db.prepare("SELECT cursor FROM pod_logs WHERE run = ?").get(run);
    // without a cursor the log is sent from its beginning: the ground takes each chunk once
    return row && (storedJson(storedCursor, row.cursor) as LogCursor | undefined);
  }

  set(run: string, cursor: LogCursor): void {
    this.#db
      .prepare(
        "INSERT INTO pod_logs (run, cursor) VALUES (?, ?) ON CONFLICT DO UPDATE SET cursor = excluded.cursor",
      )
      .run(run, JSON.stringify(cursor));
  }

  /** Of a run whose log is not read again: a cursor that a power cut brings back is deleted with the run's removal. */
  delete(run: string): void {
    withoutSync(this.#db, () => this.#db.prepare("DELETE FROM pod_logs WHERE run = ?").run(run));
  }
}
