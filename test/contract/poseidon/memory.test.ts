import { beforeAll, expect, test } from "vitest";
import { environment, GONE, me, runner } from "./support/session.ts";

let id: number;
beforeAll(async () => {
  id = await environment({ prewarmingPoolSize: 3, memoryLimit: 64 });
}, 300_000);

test("a program that takes too much is killed, and its runner stays", async () => {
  const path = await runner(id);
  const execution = await me.run(path, "head -c 300M /dev/zero | tail > /dev/null");
  expect(execution.text("stdout")).toBe("");
  expect(execution.text("stderr")).toContain("Killed");
  expect(execution.end).toEqual({ type: "exit", data: 137 });
  expect((await me.run(path, "true")).end).toEqual({ type: "exit", data: 0 });
});

test("of a single program that is killed the shell says so, too, though it has become the program", async () => {
  const path = await runner(id);
  const execution = await me.run(path, "tail /dev/zero");
  expect(execution.text("stderr")).toMatch(/Killed.*\r\n$/);
  expect(execution.messages.slice(-1)).toEqual([{ type: "exit", data: 137 }]);
  const other = await me.run(path, "exit 137");
  expect([other.text("stderr"), other.end]).toEqual(["", { type: "exit", data: 137 }]);
});

test("a runner that dies of memory as a whole says so, and not at the time limit", {
  timeout: 300_000,
}, async () => {
  const path = await runner(await environment({ prewarmingPoolSize: 1, memoryLimit: 120 }));
  // What lies in memory is nobody's: the kernel chooses by the rest. A pod's programs have nearly the worst score from
  // the start, so size tells too: the first process is a bash, what is waited for and the `sh` about it are smaller, and
  // what fills may be chosen once.
  const fill = "while :; do cat /dev/zero >> /dev/all; cat /dev/zero >> /dev/shm/all; sleep 0.1; done";
  const command = `echo 1000 > /proc/1/oom_score_adj; (${fill}) & (${fill}) & exec sleep 600`;
  const execution = await me.run(path, command, { privilegedExecution: true, timeLimit: 600 });
  expect(execution.end).toEqual({ type: "error", data: "the allocation was OOM Killed" });
  expect(await execution.closed).toEqual({ code: 1000, reason: "" });
  const gone = await me.get(`${path}/files`);
  expect([gone.status, gone.json]).toEqual([410, GONE]);
});
