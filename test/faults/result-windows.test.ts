import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MiB } from "#protocol/limits.ts";
import { JobWorld } from "#test/support/job-world.ts";

const PARTS = 20;
/** Random bytes of the result; the zip adds its few to them. */
const BYTES = PARTS * MiB - MiB / 2;
/** Three parts, the words about them, and some of a fourth part. */
const WINDOW = 3 * MiB + MiB / 2;

let jobs: JobWorld;
beforeAll(async () => {
  // of this size one part goes at a time
  jobs = await JobWorld.create({ ground: { transferPartBytes: MiB } });
});
afterAll(() => jobs.close());

/** How often each part is among these requests, by its number. */
function partsOf(lines: readonly string[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const line of lines) {
    const digits = /^PUT \/staging\/\S+\/(\d{8})\.[0-9a-f]{8}\?/.exec(line)?.[1];
    if (digits) counts.set(Number(digits), (counts.get(Number(digits)) ?? 0) + 1);
  }
  return counts;
}

test("a result of twenty parts arrives over windows of three, and only interrupted parts are sent again", async () => {
  const { contact } = jobs;
  contact.cutEvery(WINDOW);
  const command = await jobs.submit({
    script: `head -c ${BYTES} /dev/urandom > /outbox/r; cd /outbox; sha256sum r > sum`,
  });
  const end = await jobs.end(command);
  expect(end).toMatchObject({ state: "done", reason: "Completed", exitCode: 0 });

  const sent = partsOf(contact.seen);
  const interrupted = partsOf(contact.interrupted);
  expect([...sent.keys()].sort((a, b) => a - b)).toEqual(Array.from({ length: PARTS }, (_, n) => n + 1));
  expect(interrupted.size).toBeGreaterThanOrEqual(Math.floor(BYTES / WINDOW));
  const again = [...sent].filter(([part, times]) => times > 1 + (interrupted.get(part) ?? 0));
  expect(again).toEqual([]);

  const unpacked = mkdtempSync(join(jobs.world.data, "unpacked-"));
  execFileSync("python3", ["-m", "zipfile", "-e", await jobs.zip(command, end), unpacked]);
  const sum = execFileSync("sha256sum", ["r"], { cwd: unpacked, encoding: "utf8" });
  expect(sum).toBe(readFileSync(join(unpacked, "sum"), "utf8"));
});
