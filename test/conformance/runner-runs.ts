import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  NoRunnerNetwork,
  NotStartedYet,
  type PodRuntime,
  type RunSpec,
  StartFailure,
} from "#agent/pods/pod-runtime.ts";
import { runnerSpec } from "#agent/runners/runner-spec.ts";
import { testExecution } from "#agent/runners/test-execution.ts";
import type { PodSessions } from "#agent/sessions/pod-sessions.ts";
import { MiB } from "#protocol/limits.ts";
import type { EnvironmentSpec } from "#protocol/runners.ts";

/** What an adapter brings to its conformance test. */
export type RunnerFixture = {
  /** with runners' network `none` */
  runtime: PodRuntime;
  sessions: PodSessions;
  /** another agent's life on the same engine, with the same instance; closed by the fixture */
  again(): Promise<PodRuntime>;
  /** ID of the runners' test image */
  imageId: string;
  /** ID of an image without `/bin/bash` */
  withoutBash: string;
  /** does the engine tell what runners wrote? */
  sizes: boolean;
  cleanUp(): Promise<void>;
};

/** Bytes, CPUs: what the operator gives one runner here. */
export const RUNNER_BOUNDS = { memoryBytes: 128 * MiB, maxCpus: 2, scratchBytes: 64 * MiB } as const;

/** A runner's run as an agent would start it. */
export function testRunner(imageId: string, user: string, over: Partial<EnvironmentSpec> = {}): RunSpec {
  const spec = {
    image: "runner",
    prewarmingPoolSize: 1,
    cpuLimit: 20,
    memoryLimit: 64,
    networkAccess: false,
    exposedPorts: null,
    ...over,
  };
  return runnerSpec(`0-${randomUUID()}`, { user, spec }, imageId, { ...RUNNER_BOUNDS, network: "open" });
}

/** What a script in a runner says. */
export async function saidIn(
  sessions: PodSessions,
  run: string,
  script: string,
  as: "root" | "user" = "root",
): Promise<string> {
  const spec = { argv: ["/bin/bash", "-c", script], as, env: {}, defaultWorkdir: "/workspace" };
  const execution = await sessions.exec(run, spec, { signal: AbortSignal.timeout(60_000) });
  await execution.endInput();
  let text = "";
  for await (const { data } of execution.output) text += data;
  await execution.exit;
  return text.trim();
}

const WAIT = { timeout: 120_000, interval: 100 };

/** Every PodRuntime that can run runners passes this unchanged. */
export function runnerRunsConformance(name: string, create: () => Promise<RunnerFixture>): void {
  describe(`runner conformance: ${name}`, () => {
    let fixture: RunnerFixture;
    let runtime: PodRuntime;
    /** started once for all that does not end it */
    let runner: RunSpec;
    beforeAll(async () => {
      fixture = await create();
      runtime = fixture.runtime;
      runner = testRunner(fixture.imageId, "ada");
      await start(runner);
    }, 300_000);
    afterAll(() => fixture?.cleanUp());

    /** A cluster may take its time. */
    async function start(spec: RunSpec): Promise<void> {
      await runtime.prepare(spec);
      for (;;) {
        try {
          await runtime.start(spec);
          return;
        } catch (error) {
          if (!(error instanceof NotStartedYet)) throw error;
        }
      }
    }
    const listed = async (of = runtime) => new Map((await of.listRunners!()).map((one) => [one.run, one]));
    const say = (script: string, as?: "root" | "user") => saidIn(fixture.sessions, runner.run, script, as);

    test("it is listed among the runners and not among the pods", async () => {
      expect((await listed()).get(runner.run)).toMatchObject({ user: "ada", phase: "running" });
      expect((await runtime.list()).map(({ run }) => run)).not.toContain(runner.run);
      expect(await runtime.inspect(runner.run)).toHaveProperty("running");
    });

    test("it passes the test execution, and is what an environment asked for", async () => {
      await testExecution(fixture.sessions, runner.run, AbortSignal.timeout(60_000));
      expect(await say("pwd; stat -c '%U:%G %a' .; cat /proc/sys/kernel/hostname", "user")).toBe(
        `/workspace\nroot:root 1777\n${runner.run}`,
      );
      expect(await say("id -u; tr '\\0' ' ' < /proc/1/cmdline")).toBe(`0\n${runner.command!.join(" ")}`);
      // neither a volume nor a device of the machine
      expect(await say("grep -E ' /(data|inbox) ' /proc/mounts; ls -d /dev/dri /dev/fpga* 2>/dev/null")).toBe(
        "",
      );
      // the bound of memory, with the first or the second kind of cgroups
      const memory = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null";
      expect(await say(memory)).toBe(String(64 * MiB));
      const capabilities = BigInt(`0x${await say("sed -n 's/^CapBnd:\\s*//p' /proc/1/status")}`);
      // SYS_ADMIN, NET_ADMIN, NET_RAW, MKNOD, SYS_CHROOT
      for (const bit of [21, 12, 13, 27, 18])
        expect([bit, (capabilities >> BigInt(bit)) & 1n]).toEqual([bit, 0n]);
      expect(await say("sed -n 's/^NoNewPrivs:\\s*//p' /proc/1/status")).toBe("1");
    });

    test("what loses its parent is reaped", async () => {
      await say("(sleep 0.1 & exec true) & wait");
      const zombies =
        "for p in /proc/[0-9]*/stat; do read -r _ n s _ < $p && [ $s = Z ] && echo $n; done 2>/dev/null; true";
      await expect.poll(() => say(zombies), WAIT).toBe("");
    });

    test("started again, or by an agent that was restarted, it stays what it is", async () => {
      await say("echo kept > mark");
      await runtime.start(runner);
      const other = await fixture.again();
      expect((await listed(other)).get(runner.run)?.phase).toBe("running");
      await other.start(runner);
      expect((await other.listRunners!()).filter(({ run }) => run === runner.run)).toHaveLength(1);
      expect(await say("cat mark")).toBe("kept");
    });

    test("sizes are told where the engine knows them", async () => {
      const [one] = (await runtime.listRunners!({ sizes: true })).filter(({ run }) => run === runner.run);
      expect(typeof one?.bytes).toBe(fixture.sizes ? "number" : "undefined");
    });

    test("a network that the operator did not open is refused, and nothing of it stays", async () => {
      const open = testRunner(fixture.imageId, "ada", { networkAccess: true, exposedPorts: [80] });
      expect(open.network).toBe("open");
      await expect(runtime.start(open)).rejects.toBeInstanceOf(NoRunnerNetwork);
      expect((await listed()).has(open.run)).toBe(false);
    });

    test("an image without bash fails with a reason, and can be taken away", async () => {
      const spec = testRunner(fixture.withoutBash, "ada");
      await runtime.prepare(spec);
      const failed = () => runtime.start(spec).catch((error: Error) => error);
      await expect.poll(failed, WAIT).toBeInstanceOf(StartFailure);
      await runtime.remove(spec.run);
      expect((await listed()).has(spec.run)).toBe(false);
    });

    test("one that ended says how, and one that was removed is unknown; others stay", async () => {
      const [ended, beside] = [testRunner(fixture.imageId, "ada"), testRunner(fixture.imageId, "bob")];
      await Promise.all([start(ended), start(beside)]);
      const hinted = new Promise<void>((resolve) => {
        const unwatch = runtime.watch(async (run) => {
          if (run !== undefined && run !== ended.run) return;
          const state = await runtime.inspect(ended.run).catch(() => undefined);
          if (!state || !("terminated" in state)) return;
          unwatch();
          resolve();
        });
      });
      await runtime.stop(ended.run, 0);
      await hinted;
      expect(await runtime.inspect(ended.run)).toMatchObject({ terminated: { reason: "Error" } });
      expect((await listed()).get(ended.run)?.phase).toBe("ended");
      await runtime.remove(ended.run);
      await runtime.remove(ended.run);
      expect(await runtime.inspect(ended.run)).toBeUndefined();
      expect([...(await listed()).keys()].sort()).toEqual([runner.run, beside.run].sort());
      // what both users share with nothing may go, and takes no runner with it
      await runtime.tidy("ada");
      expect((await listed()).get(runner.run)?.phase).toBe("running");
      await runtime.remove(beside.run);
    });
  });
}
