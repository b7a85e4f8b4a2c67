/** What the helpers tell on the control's stdout. */
export type ControlLine =
  | { is: "pid" | "run" | "exit"; number: number }
  | { is: "fail"; what: "home" | "directory" | "program" };

/** Longer than every line of the helpers. */
const LONGEST = 64;

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
  const fail = /^fail (home|directory|program)$/.exec(line);
  return fail ? { is: "fail", what: fail[1] as "home" | "directory" | "program" } : undefined;
}
