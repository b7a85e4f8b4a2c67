import { once } from "node:events";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PodLogs } from "#lambdas/logs/pod-logs.ts";
import type { Staging } from "#lambdas/ports/staging.ts";
import { KiB } from "#protocol/limits.ts";
import { LOG_CHUNK_BYTES } from "#protocol/wire.ts";
import { share } from "#test/support/long-run.ts";

const RUN = { edge: "e1", user: "ann", pod: "p", run: "01JD0000000000000000000001" };
const PREFIX = "logs/e1/ann/p/01JD0000000000000000000001/";

function line(i: number, words = "line"): string {
  const time = new Date(Date.UTC(2025, 10, 20) + i * 1000).toISOString().replace("Z", "456789Z");
  return `${time} ${words} ${i}\n`;
}

/**
 * The logs of pods on any staging, which is empty each time it is made. `many`: chunks where it takes a lot, several
 * times the 16 that are merged; where there are fewer, they are larger.
 */
export function podLogsConformance(
  name: string,
  makeStaging: () => Promise<{ staging: Staging; close(): Promise<void> }>,
  many = share(300, 120),
): void {
  describe(`PodLogs on ${name}`, () => {
    let made: Awaited<ReturnType<typeof makeStaging>>;
    let staging: Staging;
    let logs: PodLogs;

    beforeEach(async () => {
      made = await makeStaging();
      staging = made.staging;
      logs = new PodLogs(staging);
    });
    afterEach(() => made.close());

    const append = (seq: number, data: string, run = RUN, to = logs) =>
      to.append({ ...run, seq, data: Buffer.from(data) });
    const fill = async (count: number) => {
      for (let i = 0; i < count; i++) await append(i, line(i));
    };
    const plain = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, i) => `line ${from + i}\n`).join("");

    it("gives back what was appended, without times or with", async () => {
      await fill(3);
      expect(await text(logs.read(RUN))).toBe(plain(0, 3));
      expect(await text(logs.read(RUN, { timestamps: true }))).toBe(line(0) + line(1) + line(2));
    });

    it("is empty for a run that logged nothing", async () => {
      expect(await text(logs.read(RUN))).toBe("");
      expect(await text(logs.read(RUN, { tail: 5 }))).toBe("");
      expect(await text(logs.follow(RUN, { ended: () => true }))).toBe("");
      expect(await logs.runs(RUN)).toEqual([]);
    });

    it("says of a chunk whether somebody reads the log as it comes", async () => {
      expect(await append(0, line(0))).toBe(false);
      const stop = new AbortController();
      const followed = logs.follow(RUN, { ended: () => false, signal: stop.signal });
      const came = followed[Symbol.asyncIterator]();
      expect(`${(await came.next()).value}`).toBe("line 0\n");
      expect(await append(1, line(1))).toBe(true);
      expect(await append(0, line(0), { ...RUN, run: RUN.run.replace(/1$/, "2") })).toBe(false);
      expect(`${(await came.next()).value}`).toBe("line 1\n");
      stop.abort();
      expect((await came.next()).done).toBe(true);
      expect(await append(2, line(2))).toBe(false);
    });

    it("lands a chunk once, also when repeats come at once or late", async () => {
      await Promise.all([append(0, line(0)), append(0, line(0)), append(0, line(0))]);
      await append(1, line(1));
      await append(0, line(0));
      expect(await text(logs.read(RUN))).toBe(plain(0, 2));
    });

    it("gives rows after a cursor, which stays when pieces are merged and the oldest are dropped", async () => {
      const small = new PodLogs(staging, { maxBytes: 16 * KiB });
      const ended = () => false;
      const seen = new Map<number, string>();
      let next = 0;
      const count = 2 * many;
      const words = "x".repeat(24_000 / count);
      for (let i = 0; i < count; i++) {
        await append(i, line(i, words), RUN, small);
        if (i % 20 !== 19) continue;
        const page = await small.rows(RUN, { after: next, ended });
        expect(page.dropped).toBe(false);
        for (const { cursor, text } of page.rows) seen.set(cursor, text);
        next = page.next;
      }
      expect([...seen.values()]).toEqual(Array.from({ length: count }, (_, i) => `${words} ${i}`));
      const left = await small.rows(RUN, { ended: () => true });
      expect(left).toMatchObject({ dropped: true, complete: true, next });
      for (const { cursor, text } of left.rows) expect(seen.get(cursor)).toBe(text);
      expect(await small.rows(RUN, { after: next, ended: () => true })).toMatchObject({ rows: [], next });
    });

    it("waits for a row, also for one that another process appends", async () => {
      const reader = new PodLogs(staging, { pollMs: 20 });
      const waiting = [logs, reader].map((from) => from.rows(RUN, { ended: () => false, waitMs: 60_000 }));
      await append(0, line(0));
      for (const page of await Promise.all(waiting)) expect(page.rows).toMatchObject([{ text: "line 0" }]);
    });

    it("joins lines that were cut between chunks", async () => {
      const whole = line(0) + line(1);
      for (let i = 0; i < whole.length; i += 7) await append(i / 7, whole.slice(i, i + 7));
      expect(await text(logs.read(RUN))).toBe(plain(0, 2));
    });

    it("refuses a chunk that is too large, and names that are none", async () => {
      const data = Buffer.alloc(LOG_CHUNK_BYTES + 1);
      await expect(logs.append({ ...RUN, seq: 0, data })).rejects.toMatchObject({ code: "BODY_TOO_LARGE" });
      for (const user of ["..", "", "a/b", "a\0"]) {
        await expect(append(0, "x", { ...RUN, user })).rejects.toMatchObject({ code: "INVALID_PATH" });
      }
    });

    it("keeps many small chunks in a few objects, and loses none", async () => {
      await fill(many);
      expect((await staging.list(PREFIX)).length).toBeLessThan(Math.min(60, many / 2));
      expect(await text(logs.read(RUN))).toBe(plain(0, many));
      await append(many - 1, line(many - 1));
      expect(await text(logs.read(RUN))).toBe(plain(0, many));
    });

    it("keeps the newest of a log over its cap, in whole lines", async () => {
      const capped = new PodLogs(staging, { maxBytes: 128 * KiB });
      // five thirds of the cap, in no more chunks than there may be
      const count = Math.min(200, many);
      const wide = "w".repeat(200_000 / count);
      for (let seq = 0; seq < count; seq++) await append(seq, line(seq, wide), RUN, capped);
      expect(await staging.usage(PREFIX)).toBeLessThanOrEqual(128 * KiB);
      const kept = (await text(capped.read(RUN))).split("\n");
      expect(kept.at(-1)).toBe("");
      expect(kept.at(-2)).toBe(`${wide} ${count - 1}`);
      // an eighth goes at a time
      expect(kept.length).toBeGreaterThan(count / 2);
      expect(kept.slice(0, -1).every((line) => line.startsWith(`${wide} `))).toBe(true);
      await append(0, line(0), RUN, capped);
      expect(await text(capped.read(RUN))).toBe(kept.join("\n"));
    });

    it("reads right over what a cut merge leaves", async () => {
      await fill(4);
      const whole = Buffer.from(line(0) + line(1) + line(2));
      const digits = (n: number) => String(n).padStart(15, "0");
      await staging.put(`${PREFIX}${digits(0)}-${digits(2)}`, whole, { maxBytes: whole.length });
      expect(await text(logs.read(RUN))).toBe(plain(0, 4));
      expect(await text(logs.read(RUN, { tail: 2 }))).toBe(plain(2, 4));
      await append(4, line(4));
      expect(await staging.list(PREFIX)).toHaveLength(3);
      expect(await text(logs.read(RUN))).toBe(plain(0, 5));
    });

    it("gives the last lines, as many as are asked for", async () => {
      await fill(40);
      for (const tail of [0, 1, 5, 39, 40, 41, 10_000]) {
        expect(await text(logs.read(RUN, { tail })), `${tail}`).toBe(plain(Math.max(0, 40 - tail), 40));
      }
    });

    it("gives what is not older than since, also of the last lines", async () => {
      await fill(20);
      const since = Date.UTC(2025, 10, 20) + 15_000;
      expect(await text(logs.read(RUN, { since }))).toBe(plain(15, 20));
      expect(await text(logs.read(RUN, { since, tail: 3 }))).toBe(plain(17, 20));
      expect(await text(logs.read(RUN, { since, tail: 10 }))).toBe(plain(15, 20));
    });

    it("keeps the newest two runs of a pod, newest first", async () => {
      const run = (i: number) => ({ ...RUN, run: `01JD000000000000000000000${i}` });
      for (const i of [1, 2, 3]) await append(0, line(i), run(i));
      expect(await logs.runs(RUN)).toEqual([run(3).run, run(2).run]);
      expect(await text(logs.read(run(1)))).toBe("");
      await append(1, line(9), run(1));
      expect(await logs.runs(RUN)).toEqual([run(3).run, run(2).run]);
      await append(0, line(9), { ...run(1), pod: "p2" });
      expect(await text(logs.read(run(2)))).toBe("line 2\n");
    });

    it("never mixes pods, users or edges", async () => {
      await append(0, line(1));
      for (const other of [{ user: "anna" }, { pod: "p-2" }, { edge: "e2" }]) {
        expect(await text(logs.read({ ...RUN, ...other }))).toBe("");
        expect(await logs.runs({ ...RUN, ...other })).toEqual([]);
      }
    });

    describe("follow", () => {
      it("delivers what lands, without waiting for the poll, and ends with the run", async () => {
        const patient = new PodLogs(staging, { pollMs: 3600_000 });
        await append(0, line(0), RUN, patient);
        let ended = false;
        const followed = patient.follow(RUN, { ended: () => ended });
        const [first] = await once(followed, "data");
        expect(String(first)).toBe("line 0\n");
        await append(1, line(1), RUN, patient);
        const [second] = await once(followed, "data");
        expect(String(second)).toBe("line 1\n");
        ended = true;
        await append(2, line(2), RUN, patient);
        expect(await text(followed)).toBe("line 2\n");
      });

      it("ends as soon as it is told that the run has ended", async () => {
        const patient = new PodLogs(staging, { pollMs: 3600_000 });
        await append(0, line(0), RUN, patient);
        let ended = false;
        const followed = patient.follow(RUN, { ended: () => ended });
        await once(followed, "data");
        ended = true;
        patient.ended(RUN);
        expect(await text(followed)).toBe("");
      });

      it("finds what another process appended", async () => {
        const reader = new PodLogs(staging, { pollMs: 5 });
        let ended = false;
        const followed = text(reader.follow(RUN, { ended: () => ended }));
        for (let i = 0; i < 50; i++) await append(i, line(i));
        ended = true;
        expect(await followed).toBe(plain(0, 50));
      });

      it("delivers every byte once while pieces are merged under it", async () => {
        const reader = new PodLogs(staging, { pollMs: 1 });
        let ended = false;
        const followed = [logs, reader].map((from) => text(from.follow(RUN, { ended: () => ended })));
        await fill(many + 1);
        ended = true;
        expect(await Promise.all(followed)).toEqual([plain(0, many + 1), plain(0, many + 1)]);
      });

      it("begins with the last lines", async () => {
        await fill(10);
        expect(await text(logs.follow(RUN, { tail: 2, ended: async () => true }))).toBe(plain(8, 10));
      });

      it("ends when aborted, and when its reader goes", async () => {
        const patient = new PodLogs(staging, { pollMs: 3600_000 });
        const abort = new AbortController();
        const followed = text(patient.follow(RUN, { ended: () => false, signal: abort.signal }));
        abort.abort();
        expect(await followed).toBe("");
        const left = patient.follow(RUN, { ended: () => false });
        left.resume().destroy();
        await once(left, "close");
      });

      it("fails when it cannot learn whether the run has ended", async () => {
        const broken = logs.follow(RUN, { ended: () => Promise.reject(new Error("no ledger")) });
        await expect(text(broken)).rejects.toThrow("no ledger");
      });
    });
  });
}
