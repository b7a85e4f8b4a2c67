import type { Work } from "./sim-engine.ts";

/** A job as its answers show it. */
export type JobShown = {
  state: "ready" | "in_queue" | "running" | "done" | "failed";
  response: number | null;
  reason: string | null;
  run: number;
  result_size: number | null;
};

type Answer = { type: string; text: string };

/** Of runs, log rows of one are numbered from here. */
const RUN_ROWS = 2 ** 40;
const RANK = { ready: 0, in_queue: 1, running: 2, done: 3, failed: 3 } as const;
const NO_RESULT = JSON.stringify({ error: "Job has not finished running, or has failed" });

/** What may become of one job. What it shows is held against what was done to it. */
export class JobModel {
  readonly id: number;
  /** times that somebody submits it, or tried */
  submitting = 0;
  /** a submission of it was answered */
  acknowledged = false;
  /** when it was asked for what it shows (ms of virtual time) */
  lookedAt = 0;
  readonly #work: Work;
  readonly #maySkip: boolean;
  #shown: JobShown | undefined;
  /** ends that somebody, or a fault, may have brought about, in any run */
  readonly #may = new Set<string>();
  readonly #started = new Set<string>();
  /** the command of each run whose result was read */
  readonly #runs = new Map<number, string>();

  constructor(of: { id: number; work: Work; stop: boolean; before: readonly number[] }) {
    this.id = of.id;
    this.#work = of.work;
    this.#maySkip = of.stop && of.before.length > 0;
  }

  get shown(): JobShown | undefined {
    return this.#shown;
  }

  /** It may end like this from now on. */
  maybe(reason: string): void {
    this.#may.add(reason);
  }

  /** Its container is started. @throws Error for one that was before */
  starts(run: string): void {
    if (this.#started.has(run)) throw new Error(`${run} was started twice`);
    this.#started.add(run);
  }

  /**
   * What it shows now, and never goes back from.
   * @returns whether this is an end that it has not shown before
   */
  shows(now: JobShown): boolean {
    const before = this.#shown;
    this.#shown = now;
    const steps = JSON.stringify([before, now]);
    if (now.run > this.submitting) throw new Error(`job ${this.id} ran without being submitted: ${steps}`);
    if (before && now.run < before.run) throw new Error(`job ${this.id} has lost a run: ${steps}`);
    const same = before?.run === now.run;
    if (same && RANK[now.state] < RANK[before.state]) throw new Error(`job ${this.id} went back: ${steps}`);
    const isEnd = RANK[now.state] === 3;
    if (same && RANK[before.state] === 3) {
      if (JSON.stringify(before) !== JSON.stringify(now)) throw new Error(`an end has changed: ${steps}`);
      return false;
    }
    if (isEnd) this.#ends(now);
    else if (now.response !== null || now.result_size !== null) throw new Error(`no end yet: ${steps}`);
    return isEnd;
  }

  /** What can be read of a run that has ended. @param wrote lines of all containers, by command */
  left(
    { state, run, reason }: JobShown,
    { zip, rows }: { zip: Answer; rows: Answer },
    wrote: ReadonlyMap<string, readonly string[]>,
  ): void {
    const mine = (JSON.parse(rows.text) as { id: number; logline: string }[]).filter(
      ({ id }) => id > (run - 1) * RUN_ROWS && id <= run * RUN_ROWS,
    );
    const what = `run ${run} of job ${this.id} (${state}, ${reason})`;
    const lines = mine.map(({ logline }) => logline);
    const command = state === "done" ? this.#resultOf(run, zip, what) : lines[0]?.split(" ")[0];
    if (state === "failed" && zip.text !== NO_RESULT) throw new Error(`${what} has a result: ${zip.text}`);
    if (mine.some(({ id }, n) => n > 0 && id <= mine[n - 1]!.id)) throw new Error(`${what}: ids do not grow`);
    const all = (command !== undefined && wrote.get(command)) || [];
    if (state === "done" && !wrote.has(command!)) throw new Error(`${what} had no container`);
    // of what went down with its machine, or was given up, not all need be there
    const whole = reason !== "NodeLost" && reason !== "Interrupted";
    const expected = whole ? all : all.slice(0, lines.length);
    if (lines.filter((line) => !line.startsWith("…")).join() !== expected.join()) {
      throw new Error(`${what} shows ${JSON.stringify(lines)}, and wrote ${JSON.stringify(all)}`);
    }
  }

  #ends({ state, response, reason, result_size: size, run }: JobShown): void {
    const { code, ms } = this.#work;
    const end = `${state} ${reason} ${response}`;
    const may = (name: string) => this.#may.has(name);
    const own = ms < 0 ? "failed StartError -1" : `done ${code === 0 ? "Completed" : "Error"} ${code}`;
    const possible = new Set<string>([own]);
    if (may("Killed")) possible.add("done Killed 137");
    if (may("Cancelled")) {
      // with its own code where it ended by itself in the time that it was given
      for (const code of [143, 137, this.#work.code]) possible.add(`done Cancelled ${code}`);
      possible.add("failed Cancelled -1");
    }
    // a kill ends what waits for its container too
    if (may("Killed")) possible.add("failed Cancelled -1");
    if (this.#maySkip) possible.add("failed Skipped -1");
    if (may("NodeLost")) {
      possible.add("failed NodeLost -1").add("failed NodeLost 255");
    }
    if (may("Interrupted")) possible.add("failed Interrupted -1");
    if (ms > 60_000) {
      // its agent holds it to its time, while there is one
      if (!may("Unwatched")) possible.delete(own);
      possible.add("failed DeadlineExceeded -1");
    }
    if (!possible.has(end)) {
      throw new Error(
        `run ${run} of job ${this.id} ended as ${end}, which is none of ${[...possible].join(", ")}`,
      );
    }
    if ((size !== null) !== (state === "done")) throw new Error(`${end} with a result of ${size} bytes`);
  }

  /** @returns the command whose result it is */
  #resultOf(run: number, { type, text }: Answer, what: string): string {
    const command = /^zip of (\w+)$/.exec(text)?.[1];
    if (type !== "application/zip" || command === undefined || !this.#started.has(command)) {
      throw new Error(`${what}: the next request got ${type} ${text}`);
    }
    for (const [other, its] of this.#runs) {
      if (other !== run && its === command) throw new Error(`${what} shows the result of run ${other}`);
    }
    this.#runs.set(run, command);
    return command;
  }
}
