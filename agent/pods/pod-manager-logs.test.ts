import { describe, expect } from "vitest";
import { MiB } from "#protocol/limits.ts";
import { LOG_CHUNK_BYTES } from "#protocol/wire.ts";
import { endOf, type PodRig, running, stateWhere } from "#test/support/pod-rig.ts";
import { test } from "#test/support/pod-rig-test.ts";
import type { PodManager } from "./pod-manager.ts";

describe.concurrent("logs", () => {
  test("an agent restart in the middle neither loses nor doubles lines", async ({ rig }) => {
    const script =
      "n=0; while [ $n -lt 400 ]; do echo line $n; n=$((n+1)); [ $((n%20)) = 0 ] && sleep 0.05; done";
    const first = rig.manager({ logFlushMs: 20 });
    const run = rig.sh(first, "ada", script);
    await rig.landed();
    await first.close();
    const second = rig.manager({ logFlushMs: 20 });
    await rig.landed();
    await second.close();
    await endOf(rig.manager({ logFlushMs: 20 }), run);
    expect(rig.lines(run)).toEqual(Array.from({ length: 400 }, (_, n) => `line ${n}`));
  });

  test("a payload that floods its log is stopped in time, and other logs get through", async ({ rig }) => {
    const manager = rig.manager();
    const flood = rig.sh(manager, "mallory", "yes flooooooooooooooooooood", { maxMs: 2_000 });
    await stateWhere(manager, flood, running);
    const quiet = rig.sh(manager, "ada", "echo quiet");
    expect(await endOf(manager, quiet)).toMatchObject({ reason: "Completed" });
    expect(rig.lines(quiet)).toEqual(["quiet"]);
    expect(await endOf(manager, flood)).toMatchObject({ reason: "DeadlineExceeded" });
    const sizes = rig.chunks.filter(({ run }) => run === flood).map(({ data }) => data.length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(LOG_CHUNK_BYTES);
    // What the engine keeps (10 MiB as JSON), and what was followed live before.
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(64 * MiB);
  });

  test("at most so many ended runs of a user wait; the oldest logs beyond are given up", async ({ rig }) => {
    let there = false;
    rig.contact = () => {
      if (!there) throw new Error("no contact");
    };
    const manager = rig.manager({ unpushedPerUser: 2 });
    const runs = ["a", "b", "c", "d"].map((pod) => rig.sh(manager, "ada", `echo ${pod}`, { pod }));
    const given = await firstTwo(rig, manager, runs);
    there = true;
    manager.contactRestored();
    await Promise.all(runs.map((run) => endOf(manager, run)));
    const kept = runs.filter((run) => !given.includes(run));
    expect(kept.flatMap((run) => rig.lines(run))).toHaveLength(2);
    expect(given.flatMap((run) => rig.lines(run))).toEqual([]);
  });

  async function firstTwo(rig: PodRig, manager: PodManager, runs: string[]): Promise<string[]> {
    const over = () =>
      manager
        .reports()
        .filter(({ state }) => "terminated" in state)
        .map(({ run }) => run);
    while (over().length < 2) await rig.tick();
    return runs.filter((run) => over().includes(run));
  }
});
