import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { JobRig } from "#test/support/job-rig.ts";
import { LONG, share } from "#test/support/long-run.ts";

/** Files of one outbox: with their directory all that are walked. */
const MANY = share(99_999, 5_000);

let rig: JobRig;
beforeEach(async () => {
  rig = await JobRig.create();
});
afterEach(() => rig.cleanUp());

const NOTHING = { volumes: [], kept: [] };

/** Runs a job beside another one, whose result has to be whole; what became of the first. */
async function besideAnother(script: string) {
  const other = rig.job("echo x > /outbox/x", { pod: "other" });
  const job = rig.job(script);
  const [end, otherEnd] = await Promise.all([job.run(), other.run()]);
  expect(otherEnd).toMatchObject({ state: "done", reason: "Completed", exitCode: 0 });
  expect(other.result()).toEqual({ x: "x\n" });
  expect(rig.left()).toEqual(NOTHING);
  return { job, end };
}

describe("a hostile outbox harms its own job only", () => {
  test("a socket and a pipe are left out; no device can be made", async () => {
    // syslogd makes its socket where /dev/log says
    const script = [
      "ln -s /outbox/socket /dev/log && syslogd -O /dev/null",
      "until [ -S /outbox/socket ]; do sleep 0.05; done",
      "mkfifo /outbox/pipe; mknod /outbox/device c 1 3 && echo made; mknod /outbox/disk b 8 0 && echo made",
      "echo a > /outbox/a",
    ].join("; ");
    const { job, end } = await besideAnother(script);
    expect(end).toMatchObject({ state: "done", exitCode: 0 });
    expect(job.result()).toEqual({ a: "a\n" });
    expect(rig.pods.lines(job.id)).not.toContain("made");
  });

  test("files and directories without a mode come, those of another user too", async () => {
    const script = [
      "cd /outbox; mkdir d; echo in > d/in; chmod 0 d; echo a > a; chmod 0 a; chown 1234 a",
      "chmod 0 /outbox",
    ].join("; ");
    const { job, end } = await besideAnother(script);
    expect(end).toMatchObject({ state: "done", exitCode: 0 });
    expect(job.result()).toEqual({ a: "a\n", "d/in": "in\n" });
  });

  test.each([
    ["more than is walked", 1_500, "d"],
    ["names that are too long together for a zip", 100, "$(head -c 255 /dev/zero | tr '\\0' '\\377')"],
  ])("a deep tree is too large: %s", async (_, levels, name) => {
    // level by level: the whole path is longer than PATH_MAX
    const script = `cd /outbox; n="${name}"; i=0; while [ $i -lt ${levels} ]; do
      mkdir x; mv "$n" x/ 2>/dev/null || echo deep > x/file; mv x "$n"; i=$((i+1)); done; exit 7`;
    const { end } = await besideAnother(script);
    expect(end).toMatchObject({ state: "failed", reason: "ResultTooLarge", exitCode: 7 });
    expect(end.content).toBeUndefined();
  });

  test(`very many files come${LONG ? ", one more is too large" : ""}`, async () => {
    const made = (count: number) => `cd /outbox; mkdir d; cd d; seq 1 ${count} | xargs touch`;
    const { job, end } = await besideAnother(made(MANY));
    expect(end).toMatchObject({ state: "done", exitCode: 0 });
    expect(Object.keys(job.result())).toHaveLength(MANY);
    // making them takes minutes on a busy machine
    if (!LONG) return;
    const { end: over } = await besideAnother(made(MANY + 1));
    expect(over).toMatchObject({ state: "failed", reason: "ResultTooLarge", exitCode: 0 });
  });

  test("names of any bytes come, each under its own", async () => {
    // every byte but / and NUL, as a name of its own
    const script = `cd /outbox; i=1; while [ $i -lt 256 ]; do
      [ $i = 47 ] || printf $i > "./x$(printf "\\\\$(printf %o $i)")y"; i=$((i+1)); done;
      for n in 'con' 'C:\\x' '..x' ' ' '-rf' '$(id)' '%2e%2e'; do printf n > "./$n"; done`;
    const { job, end } = await besideAnother(script);
    expect(end).toMatchObject({ state: "done", exitCode: 0 });
    const result = job.result();
    const bytes = Object.entries(result).filter(([, text]) => text !== "n");
    expect(bytes.map(([, text]) => Number(text)).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 255 }, (_, n) => n + 1).filter((n) => n !== 47),
    );
    expect(Object.keys(result)).toHaveLength(254 + 7);
    for (const name of Object.keys(result)) expect(name).not.toMatch(/[\\:]|(^|\/)\.\.(\/|$)/);
  });
});
