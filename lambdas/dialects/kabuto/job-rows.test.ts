import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DirectoryStaging } from "../../adapters/directory/staging.ts";
import type { Command } from "../../ledger/command.ts";
import { PodLogs } from "../../logs/pod-logs.ts";
import { DROPPED, jobRows, type Row, type RowsDeps, RUN_BYTES } from "./job-rows.ts";
import { countedLogs } from "./log-size.ts";
import type { LoggedJob } from "./logged-runs.ts";
import { knownPodOf } from "./submissions.ts";

let directory: string;
let staging: DirectoryStaging;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "perigee-job-rows-"));
  staging = await DirectoryStaging.open(directory, { secret: Buffer.alloc(32) });
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const STAMP = "2026-11-27T07:00:00.000000001Z ";
let jobs = 0;

async function all(rows: AsyncIterable<Row>): Promise<Row[]> {
  const read: Row[] = [];
  for await (const row of rows) read.push(row);
  return read;
}

/** Two runs of a job whose logs come in as the test likes. */
function loggedRuns(maxBytes: number) {
  const podLogs = new PodLogs(staging, { maxBytes, pollMs: 5 });
  const job = ++jobs;
  const commands = [`01JD00000000000000000${job}A`, `01JD00000000000000000${job}B`];
  /** as it stands while that run is the newest */
  const during = (newest: number): LoggedJob => ({
    user: "ann",
    job,
    runs: commands
      .slice(0, newest + 1)
      .map((command, i) => ({ run: i + 1, command, edge: "e1", isNewest: i === newest })),
  });
  let state = "running";
  const deps: RowsDeps = { podLogs, commands: { command: async () => ({ state }) as Command } };
  return {
    during,
    deps,
    end: () => {
      state = "succeeded";
    },
    append: (run: number, seq: number, data: string | Uint8Array) =>
      podLogs.append({
        edge: "e1",
        user: "ann",
        pod: knownPodOf(job),
        run: commands[run]!,
        seq,
        data: Buffer.from(data),
      }),
  };
}

test("however a log is cut, merged, dropped and paged: each row once, and ids grow", async () => {
  const line = fc.string({ unit: fc.constantFrom("a", "ü", " "), maxLength: 40 });
  const history = fc.record({
    runs: fc.tuple(fc.array(line, { maxLength: 60 }), fc.array(line, { maxLength: 60 })),
    cuts: fc.array(fc.integer({ min: 20, max: 400 }), { minLength: 1, maxLength: 8 }),
    pages: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
    maxBytes: fc.constantFrom(500, 2_000, 1_000_000),
  });
  await fc.assert(
    fc.asyncProperty(history, async ({ runs, cuts, pages, maxBytes }) => {
      const log = loggedRuns(maxBytes);
      const known = new Map<number, string>();
      const seen: Row[] = [];
      let turn = 0;
      const page = async (newest: number) => {
        const limit = pages[turn++ % pages.length]!;
        const rows = await all(jobRows(log.deps, log.during(newest), { after: seen.at(-1)?.id ?? 0, limit }));
        expect(rows.length).toBeLessThanOrEqual(limit);
        seen.push(...rows);
        return rows.length;
      };
      for (const [run, lines] of runs.entries()) {
        let bytes = 0;
        for (const text of lines) {
          bytes += Buffer.byteLength(`${STAMP}${text}\n`);
          known.set(run * RUN_BYTES + bytes, text);
        }
        const whole = Buffer.from(lines.map((text) => `${STAMP}${text}\n`).join(""));
        for (let at = 0, seq = 0; at < whole.length; seq++) {
          const size = cuts[seq % cuts.length]!;
          await log.append(run, seq, whole.subarray(at, at + size));
          at += size;
          await page(run);
        }
      }
      log.end();
      while ((await page(1)) > 0);
      const ids = seen.map(({ id }) => id);
      expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b));
      const kept = seen.filter(({ logline }) => logline !== DROPPED);
      for (const { id, logline } of kept) expect(logline).toBe(known.get(id));
      if (maxBytes === 1_000_000) expect(kept.length).toBe(known.size);
      const now = await all(jobRows(log.deps, log.during(1)));
      const text = now.map(({ logline }) => `${logline}\n`).join("");
      expect(await countedLogs(log.deps).size(log.during(1))).toBe(Buffer.byteLength(text));
    }),
    { numRuns: 25 },
  );
});

test("who waits for rows is not kept by a run that has none yet", async () => {
  const log = loggedRuns(1_000_000);
  await log.append(0, 0, `${STAMP}of the first run\n`);
  const rows = await all(jobRows(log.deps, log.during(1), { waitMs: 600_000 }));
  expect(rows.map(({ logline }) => logline)).toEqual(["of the first run"]);
  const waiting = all(jobRows(log.deps, log.during(1), { after: rows[0]!.id, waitMs: 600_000 }));
  await log.append(1, 0, `${STAMP}of the second\n`);
  expect(await waiting).toMatchObject([{ id: RUN_BYTES + STAMP.length + 14, logline: "of the second" }]);
});

test("the size costs a reader that is up to date no read of its own, also where rows are dropped", async () => {
  const log = loggedRuns(2_000);
  const whole = async () =>
    (await all(jobRows(log.deps, log.during(0)))).reduce(
      (sum, { logline }) => sum + Buffer.byteLength(logline) + 1,
      0,
    );
  let after = 0;
  let begun = 0;
  let reads = 0;
  const podLogs: RowsDeps["podLogs"] = {
    async rows(key, options) {
      const page = await log.deps.podLogs.rows(key, options);
      reads++;
      begun = page.begins;
      return page;
    },
  };
  for (let seq = 0; seq < 60; seq++) {
    await log.append(0, seq, `${STAMP}${"x".repeat(30 + seq)}\n`);
    // as of one answer
    const counted = countedLogs({ ...log.deps, podLogs });
    const had = begun;
    const rows = await all(jobRows(counted, log.during(0), { after }));
    after = rows.at(-1)!.id;
    const before = reads;
    expect(await counted.size(log.during(0))).toBe(await whole());
    // the oldest went: what is left is counted anew
    expect(reads - before).toBe(had === begun ? 0 : 1);
  }
  expect(begun).toBeGreaterThan(0);
});
