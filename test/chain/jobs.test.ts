import { afterAll, beforeAll, expect, test } from "vitest";
import { filesOfZip } from "#test/support/job-rig.ts";
import { JobWorld } from "#test/support/job-world.ts";

let jobs: JobWorld;
beforeAll(async () => {
  jobs = await JobWorld.create({ jobs: { atOnce: 2, ahead: 2 } });
});
afterAll(() => jobs.close());

const phase = (wanted: string) => (command: { progress?: { phase: string } }) =>
  command.progress?.phase === wanted;

test("a job goes from its files to its zip and its log, and the ground sees what it is doing", async () => {
  // A shell may say of its `sleep` that it was terminated.
  const script =
    "cat /inbox/a > /outbox/b; echo said; exec 2> /dev/null; until [ -e /outbox/go ]; do sleep 0.1; done";
  const command = await jobs.submit({ script, files: { a: "hello" } });
  await jobs.until(command, phase("running"));
  await jobs.world.ground.dispatch.cancel("ann", command.id);
  const end = await jobs.end(command);
  expect(end).toMatchObject({ state: "done", reason: "Cancelled" });
  expect(filesOfZip(await jobs.zip(command, end))).toEqual({ b: "hello" });
  expect(await jobs.lines(command)).toEqual(["said"]);
});

test("jobs of a group never overlap, groups do, and a long group does not keep another one waiting", async () => {
  // seconds since the machine's start, at its begin and at its end
  const script = "cat /proc/uptime; sleep 0.5; cat /proc/uptime";
  const submit = (group: string, n: number) =>
    jobs.submit({ script, group, input: { pod: `${group}-${n}` } });
  const long = [];
  for (let n = 0; n < 6; n++) long.push(await submit("long", n));
  const other = await submit("other", 0);
  await Promise.all([...long, other].map((command) => jobs.end(command)));
  const times = async (command: { id: string }) => {
    const [begin = 0, end = 0] = (await jobs.lines(command)).map((line) => Number.parseFloat(line));
    return { begin, end };
  };
  const ofGroup = await Promise.all(long.map(times));
  for (const [n, { begin }] of ofGroup.entries()) {
    if (n > 0) expect(begin).toBeGreaterThanOrEqual(ofGroup[n - 1]!.end);
  }
  expect((await times(other)).begin).toBeLessThan(ofGroup.at(-1)!.begin);
});
