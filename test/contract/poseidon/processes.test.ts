import { expect, test } from "vitest";
import { environment, me, runner } from "./support/session.ts";

/** A shell that does not try again when it cannot fork, and ends what it started. */
const FILL = `trap 'kill $pids' EXIT
n=0
while [ $n -lt 600 ]; do sleep 600 & pids="$pids $!"; n=$((n + 1)); done
`;

test("a runner has 512 processes: the next fork fails in it, and the runner goes on", async () => {
  const path = await runner(await environment());
  expect((await me.patch(path, { fill: FILL })).status).toBe(204);
  const execution = await me.run(path, 'dash fill; echo "code $?"');
  expect(execution.text("stderr")).toMatch(/cannot fork/i);
  expect(execution.text("stdout")).toMatch(/code [1-9]/);
  expect(execution.end).toEqual({ type: "exit", data: 0 });
  const next = await me.run(path, "for n in {1..50}; do sleep 0 & done; wait; echo on");
  expect(next.text("stdout")).toBe("on\r\n");
});
