import { beforeEach, describe, expect, test, vi } from "vitest";
import type { SqliteStore } from "#lambdas/adapters/sqlite/store.ts";
import type { ContainerState } from "#protocol/operations.ts";
import type { PodReport } from "#protocol/wire.ts";
import { temporaryStore } from "#test/support/temporary-store.ts";
import { Runs } from "./runs.ts";

const running: ContainerState = { running: { startedAt: "2025-11-20T12:31:12Z" } };
const ended: ContainerState = {
  terminated: { exitCode: 0, reason: "Completed", startedAt: "2025-11-20T12:31:12Z", finishedAt: null },
};
const dropped: ContainerState = {
  terminated: { exitCode: 128, reason: "Cancelled", startedAt: null, finishedAt: "2025-11-20T12:31:12Z" },
};
const id = (n: number) => String(n).padStart(26, "0");
const report = (n: number, state: ContainerState, pod = "pod-a"): PodReport => ({
  user: "alice",
  pod,
  run: id(n),
  image: "busybox",
  node: "mpu1",
  state,
});
const of = { edge: "em1", user: "alice", pod: "pod-a" };

describe("what the ground knows of runs", () => {
  let runs: Runs;
  let store: SqliteStore;
  let another: () => SqliteStore;
  beforeEach(async () => {
    ({ store, another } = await temporaryStore());
    runs = new Runs(store, () => 1000);
  });
  const found = async () => (await runs.find(of)).map(({ run }) => run);

  test("keeps the current and the previous run, newest first", async () => {
    for (const n of [1, 2, 3]) await runs.record("em1", [report(n, ended)]);
    expect(await found()).toEqual([id(3), id(2)]);
  });

  test("an older run's late report does not come back over newer ones' heads", async () => {
    await runs.record("em1", [report(2, ended), report(3, running), report(1, ended)]);
    expect(await found()).toEqual([id(3), id(2)]);
  });

  test("a run that was dropped before it started does not hide the run before it", async () => {
    await runs.record("em1", [report(1, running), report(2, { waiting: { reason: "Scheduled" } })]);
    await runs.record("em1", [report(3, running), report(2, dropped)]);
    expect(await found()).toEqual([id(3), id(1)]);
  });

  test("a newest run that never started is shown until another comes", async () => {
    await runs.record("em1", [report(1, running), report(2, dropped)]);
    expect(await found()).toEqual([id(2), id(1)]);
    await runs.record("em1", [report(3, running)]);
    expect(await found()).toEqual([id(3), id(1)]);
  });

  test("an accepted run is known at once and does not overwrite what the agent said", async () => {
    const command = { id: id(5), user: "alice", input: { pod: "pod-a", image: "x", node: "MPU" } };
    await runs.accepted("em1", command as never);
    expect(await runs.find(of)).toMatchObject([{ run: id(5), terminated: false }]);
    await runs.record("em1", [report(5, running)]);
    await runs.accepted("em1", command as never);
    expect((await runs.find(of))[0]?.state).toEqual(running);
  });

  test("an accepted run does not overwrite what the agent says between the look and the write", async () => {
    const command = { id: id(5), user: "alice", input: { pod: "pod-a", image: "x", node: "MPU" } };
    const query = store.query.bind(store);
    let looks = 0;
    vi.spyOn(store, "query").mockImplementation(async (asked) => {
      const found = await query(asked);
      // after the last look, before the write
      if (++looks === 2) await new Runs(another(), () => 1000).record("em1", [report(5, ended)]);
      return found as never;
    });
    await runs.accepted("em1", command as never);
    expect(looks).toBe(2);
    expect((await runs.find(of))[0]?.state).toEqual(ended);
  });

  test("pods with names that begin alike, other users and other edges are apart", async () => {
    await runs.record("em1", [report(1, running), report(2, running, "pod-a-b")]);
    await runs.record("em2", [report(3, running)]);
    await runs.record("em1", [{ ...report(4, running), user: "bob" }]);
    expect(await found()).toEqual([id(1)]);
    expect((await runs.current("em1", "alice")).map(({ run }) => run)).toEqual([id(1), id(2)]);
  });
});
