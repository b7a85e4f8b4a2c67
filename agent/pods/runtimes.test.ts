import { describe, expect } from "vitest";
import { FakeRuntime } from "#test/support/fake-runtime.ts";
import { endOf, running, SERVER, stateWhere } from "#test/support/pod-rig.ts";
import { test } from "#test/support/pod-rig-test.ts";
import { Runtimes } from "./runtimes.ts";

const PLAYED = { provider: "played", pod: "other" };

describe.concurrent("two ways to run pods in one agent", () => {
  test("each run is its own provider's, and one without is the first's", async ({ rig }) => {
    const played = new FakeRuntime("played");
    const runtimes = new Runtimes(rig.runtime(), played);
    const manager = rig.manager({ runtimes });
    const mine = rig.sh(manager, "ada", SERVER);
    const other = rig.run(manager, "ada", PLAYED);
    await Promise.all([mine, other].map((run) => stateWhere(manager, run, running)));
    await rig.said(mine, "up");
    expect([...played.runs.keys()]).toEqual([other]);
    expect((await runtimes.main.list()).map(({ run }) => run)).toEqual([mine]);
    await manager.stop("ada", "other");
    expect(await endOf(manager, other)).toMatchObject({ exitCode: 143 });
    expect(await manager.status("ada", "default")).toHaveProperty("running");
    await manager.remove("ada", "default");
    await manager.remove("ada", "other");
    expect([await runtimes.main.list(), played.runs.size]).toEqual([[], 0]);
  });

  test("a restart takes up the runs of both, also where another is the first by now", async ({ rig }) => {
    const played = new FakeRuntime("played");
    const first = rig.manager({ runtimes: new Runtimes(rig.runtime(), played) });
    const mine = rig.sh(first, "ada", SERVER);
    const other = rig.run(first, "ada", PLAYED);
    await Promise.all([mine, other].map((run) => stateWhere(first, run, running)));
    await first.close();
    const second = rig.manager({ runtimes: new Runtimes(played, rig.runtime()) });
    played.end(other, { exitCode: 3 });
    expect(await endOf(second, other)).toMatchObject({ exitCode: 3 });
    await second.stop("ada", "default");
    expect(await endOf(second, mine)).toMatchObject({ exitCode: 5 });
  });

  test("a run of a provider that is configured no more is lost, and cannot be run again", async ({ rig }) => {
    const first = rig.manager({ runtimes: new Runtimes(rig.runtime(), new FakeRuntime("played")) });
    const run = rig.run(first, "ada", PLAYED);
    await stateWhere(first, run, running);
    await first.close();
    const second = rig.manager();
    expect(await endOf(second, run)).toMatchObject({ reason: "NodeLost" });
    const { input } = second.specificationOf("ada", "other");
    expect(() => rig.run(second, "ada", input)).toThrow(expect.objectContaining({ code: "NOT_SUPPORTED" }));
  });

  test("one that does not answer keeps no other from being compared", async ({ rig }) => {
    const away = new FakeRuntime("away");
    away.list = async () => Promise.reject(new Error("connect ECONNREFUSED"));
    away.nodes = async () => Promise.reject(new Error("connect ECONNREFUSED"));
    const runtime = rig.runtime();
    const ghost = rig.spec(["sleep", "1000"], { user: "ghost" });
    await runtime.start(ghost);
    const runtimes = new Runtimes(away, runtime);
    const gone = rig.docker.getContainer(`${rig.instance}-${ghost.run.toLowerCase()}`).wait();
    const manager = rig.manager({ runtimes });
    await gone;
    expect((await manager.nodes()).map(({ name }) => name)).toEqual(["fpga", "gpu", "mpu1", "mpu2"]);
    await expect(new Runtimes(away).nodes()).rejects.toThrow("ECONNREFUSED");
  });

  test("nodes of both are told, of two with one name the first's", async ({ rig }) => {
    const played = new FakeRuntime("played");
    played.nodes = async () => [
      { name: "mpu1", kind: "GPU", status: "False" },
      { name: "vm", kind: "MPU", status: "True" },
    ];
    const nodes = await new Runtimes(rig.runtime(), played).nodes();
    expect(nodes.map(({ name }) => name)).toEqual(["fpga", "gpu", "mpu1", "mpu2", "vm"]);
    expect(nodes.find(({ name }) => name === "mpu1")).toMatchObject({ kind: "MPU", status: "True" });
  });
});
