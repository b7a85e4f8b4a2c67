import { expect, test } from "vitest";
import type { RawExec } from "../container-exec.ts";
import type { OutputPiece } from "../pod-sessions.ts";
import { ControlLines } from "./control-lines.ts";
import { ControlledExecution } from "./execution.ts";
import { Merged } from "./merged.ts";

test("a program's end does not wait for a helper that takes nothing", async () => {
  const raw = { cut() {}, write: () => new Promise<void>(() => {}) } as unknown as RawExec;
  const none: OutputPiece[] = [];
  const output = (async function* () {
    yield* none;
  })();
  const execution = new ControlledExecution({
    program: raw,
    control: { pid: 1, exec: raw, output, lines: new ControlLines() },
    merged: new Merged<"program" | "control", OutputPiece>(),
    pid: 2,
    terminal: undefined,
    first: [],
    code: 7,
  });
  for await (const _ of execution.output);
  expect(await execution.exit).toBe(7);
});
