/** What the helpers tell on the control's stdout. */
export type ControlLine =
  | { is: "pid" | "run" | "exit"; number: number }
  | { is: "fail"; what: "home" | "directory" | "program" }
  /** the program itself was ended by SIGKILL, as its parent's shell says: no shell of its own is left to say so */
  | { is: "killed" }
  /** the control's own last word, when it was asked to end */
  | { is: "end" };

/** Longer than every line of the helpers. */
const LONGEST = 256;

/** As bash words it: `sh: line 5:    12 Killed    …`. dash and ash tell the program's own stderr. */
const KILLED = /^[^:]*: line \d+: +\d+ Killed\b/;

/** Cuts the control's stdout into lines. What the helpers never say is left out: programs can write there too. */
export class ControlLines {
  #rest = "";

  push(data: Buffer): ControlLine[] {
    const lines = (this.#rest + data.toString("latin1")).split("\n");
    this.#rest = (lines.pop() ?? "").slice(-LONGEST);
    return lines.flatMap((line) => parsed(line) ?? []);
  }
}

function parsed(line: string): ControlLine | undefined {
  const number = /^(pid|run|exit) (\d{1,10})$/.exec(line);
  if (number) return { is: number[1] as "pid" | "run" | "exit", number: Number(number[2]) };
  if (line === "end") return { is: "end" };
  if (KILLED.test(line)) return { is: "killed" };
  const fail = /^fail (home|directory|program)$/.exec(line);
  return fail ? { is: "fail", what: fail[1] as "home" | "directory" | "program" } : undefined;
}
