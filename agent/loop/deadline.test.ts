import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Deadline } from "./deadline.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("it runs out once, after its time", () => {
  const end = vi.fn();
  new Deadline(1000, end);
  vi.advanceTimersByTime(999);
  expect(end).not.toHaveBeenCalled();
  vi.advanceTimersByTime(5000);
  expect(end).toHaveBeenCalledOnce();
});

test("it may be longer than a timer can be", () => {
  const end = vi.fn();
  new Deadline(2 ** 32, end);
  vi.advanceTimersByTime(2 ** 32 - 1);
  expect(end).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(end).toHaveBeenCalledOnce();
});

test("what it is paused for does not count, also several pieces at once and one that fails", async () => {
  const end = vi.fn();
  const deadline = new Deadline(1000, end);
  vi.advanceTimersByTime(600);
  const [first, second] = [Promise.withResolvers<number>(), Promise.withResolvers<void>()];
  const one = deadline.pauseDuring(() => first.promise);
  const two = deadline.pauseDuring(() => second.promise);
  vi.advanceTimersByTime(3600_000);
  first.resolve(7);
  expect(await one).toBe(7);
  vi.advanceTimersByTime(3600_000);
  second.reject(new Error("broken"));
  await expect(two).rejects.toThrow("broken");
  vi.advanceTimersByTime(399);
  expect(end).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(end).toHaveBeenCalledOnce();
});

test("closed while it is paused, it never runs out", async () => {
  const end = vi.fn();
  const deadline = new Deadline(1000, end);
  const paused = Promise.withResolvers<void>();
  const work = deadline.pauseDuring(() => paused.promise);
  deadline.close();
  paused.resolve();
  await work;
  vi.advanceTimersByTime(3600_000);
  expect(end).not.toHaveBeenCalled();
});
