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

/** A program whose streams stay open and silent after its end. */
function silent(runsOn: () => Promise<boolean>, code?: number) {
  const program = { cut() {}, write: async () => {}, exit: async () => 0, runsOn } as unknown as RawExec;
  const said = Promise.withResolvers<void>();
  const merged = new Merged<"program" | "control", OutputPiece>();
  merged.add(
    "program",
    (async function* (): AsyncGenerator<OutputPiece> {
      await said.promise;
      yield { stream: "stdout", data: Buffer.from("late") };
      await new Promise(() => {});
    })(),
  );
  const output = (async function* (): AsyncGenerator<OutputPiece> {})();
  const execution = new ControlledExecution({
    program,
    control: { pid: 1, exec: program, output, lines: new ControlLines() },
    merged,
    pid: 2,
    terminal: undefined,
    first: [],
    code,
    leftOpenMs: 1,
  });
  return { execution, say: said.resolve };
}

test("output that an engine still holds which has not noticed the end is waited for, a child is not", async () => {
  let asked = 0;
  const { execution, say } = silent(async () => {
    asked++;
    if (asked === 3) say();
    return asked < 5;
  }, 0);
  const pieces: string[] = [];
  for await (const { data } of execution.output) pieces.push(data.toString());
  expect([pieces, asked]).toEqual([["late"], 5]);
});

test("an engine is not asked about a program that runs on after it was let go of", async () => {
  let asked = 0;
  const { execution, say } = silent(async () => {
    asked++;
    return asked < 100;
  });
  const output = execution.output[Symbol.asyncIterator]();
  say();
  expect((await output.next()).value?.data.toString()).toBe("late");
  const next = output.next();
  execution.cut();
  expect((await next).done).toBe(true);
  await expect(execution.exit).rejects.toThrow("let go of");
  expect(asked).toBe(0);
});
