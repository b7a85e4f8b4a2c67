import { expect, it } from "vitest";
import { collectBy } from "./collect-command.ts";

const never = () => new AbortController().signal;

it("runs the command to its end", async () => {
  await expect(collectBy(["/bin/sh", "-c", "exit 0"], never())).resolves.toBeUndefined();
});

it("tells what it said when it fails", async () => {
  const failing = collectBy(["/bin/sh", "-c", "echo no storage >&2; exit 3"], never());
  await expect(failing).rejects.toThrow(/ended with 3: no storage/);
  await expect(collectBy(["/nowhere/registry"], never())).rejects.toThrow("ENOENT");
});

it("is ended by the signal", async () => {
  const stop = new AbortController();
  const running = collectBy(["/bin/sleep", "600"], stop.signal);
  stop.abort(new Error("enough"));
  await expect(running).rejects.toThrow("enough");
  await expect(collectBy(["/bin/true"], stop.signal)).rejects.toThrow("enough");
});
