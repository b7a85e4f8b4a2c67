import { expect, onTestFinished, test, vi } from "vitest";
import { ScriptedExecution } from "#test/live/support/scripted-execution.ts";
import { stopProgram } from "./stop-program.ts";

test("a program that takes no byte has the same 3 s as any other", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const execution = Object.assign(new ScriptedExecution(false), { write: () => new Promise<void>(() => {}) });
  const endUnstoppable = vi.fn(async () => {});
  const target = { run: "r", ended: new AbortController().signal, release() {}, endUnstoppable };
  const terminal = { stderr: "apart" } as const;
  const exec = { argv: ["x"], as: "user", env: {}, stop: "quit", terminal } as const;
  const over = new Promise<void>(() => {});
  const stopped = stopProgram(execution, { exec: { ...exec, argv: ["x"] }, target, over, stopMs: 3_000 });
  await vi.advanceTimersByTimeAsync(2_999);
  expect(endUnstoppable).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(100);
  expect(endUnstoppable).toHaveBeenCalledOnce();
  await stopped;
});
