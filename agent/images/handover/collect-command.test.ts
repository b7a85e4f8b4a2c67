import { expect, test } from "vitest";
import { CollectionCut, collectBy } from "./collect-command.ts";

const never = new AbortController().signal;

test("a command that ends well, found by the PATH as a shell would", async () => {
  await collectBy(["sh", "-c", "env true"], never);
});

test("one that fails says how", async () => {
  const failed = collectBy(["sh", "-c", "echo no such storage >&2; exit 3"], never);
  await expect(failed).rejects.toThrow("ended with 3: no such storage");
  await expect(failed).rejects.not.toBeInstanceOf(CollectionCut);
});

test("one that is killed, by the signal or by others, was cut short", async () => {
  await expect(collectBy(["sh", "-c", "kill -9 $$"], never)).rejects.toBeInstanceOf(CollectionCut);
  const limit = new AbortController();
  const long = collectBy(["sh", "-c", "exec sleep 1000"], limit.signal);
  limit.abort(new Error("late"));
  await expect(long).rejects.toBeInstanceOf(CollectionCut);
  await expect(collectBy(["true"], limit.signal)).rejects.toThrow("late");
});

test("one that is not there never began", async () => {
  await expect(collectBy(["/nowhere/collect"], never)).rejects.toThrow("ENOENT");
});

test("only PATH is told of our environment", async () => {
  await collectBy(["sh", "-c", 'test -n "$PATH" && test -z "$HOME"'], never);
});
