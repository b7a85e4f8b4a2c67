import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { pino } from "pino";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { StoredRunnerPools } from "#lambdas/runners/stored-runner-pools.ts";
import { MiB } from "#protocol/limits.ts";
import { makeRunnerImage, RUNNER_IMAGE } from "../../scripts/runner-image.ts";
import { MemoryTable } from "../../test/support/memory-store.ts";
import { openEngine } from "../engine/open-engine.ts";
import { openStateDatabase } from "../journal/state-database.ts";
import { DockerRuntime } from "../pods/docker/runtime.ts";
import { dockerSessions } from "../sessions/docker/docker-sessions.ts";
import { Runners } from "./runners.ts";

const docker = openEngine();
const ALICE = { user: "alice", edge: "em1" };
const SPEC = {
  image: "runner",
  prewarmingPoolSize: 2,
  cpuLimit: 20,
  memoryLimit: 64,
  networkAccess: false,
  exposedPorts: null,
};

let image: string;
beforeAll(async () => {
  image = await makeRunnerImage(docker);
});

/** One edge with the real engine, and its ground in the same process. */
class Edge {
  readonly instance = `test-${crypto.randomUUID()}`;
  readonly directory = mkdtempSync(join(tmpdir(), "perigee-runners-"));
  readonly pools: StoredRunnerPools;
  readonly runtime = new DockerRuntime({ docker, instance: this.instance, nodes: [] });
  readonly images = new Map([["alice runner", { id: image }]]);
  readonly sessions = dockerSessions({ docker, instance: this.instance });
  #database: DatabaseSync | undefined;
  runners!: Runners;

  constructor() {
    this.pools = new StoredRunnerPools({
      store: new MemoryTable().open(),
      doorbell: { ring: async () => this.ring() },
      ledger: {
        inContact: async () => true,
        edgeAgent: async () => ({ version: "9", features: ["runners"] }),
      },
      edges: async () => ["em1"],
      now: Date.now,
    });
  }

  async ring(): Promise<void> {
    this.runners?.rung();
    this.runners?.heard(await this.pools.counter("em1"));
  }

  start(options = {}): void {
    this.#database = openStateDatabase(this.directory);
    this.runners = new Runners(
      {
        database: this.#database,
        runtime: this.runtime,
        sessions: this.sessions,
        resolveImage: async (user, name) => this.images.get(`${user} ${name}`),
        ground: {
          wantedPools: () => this.pools.wanted("em1"),
          tellPools: (told) => this.pools.exchange("em1", told),
        },
        log: pino({ level: process.env.TEST_LOG ?? "silent" }),
      },
      {
        bounds: { memoryBytes: 256 * MiB, maxCpus: 2, scratchBytes: 8 * MiB, network: "none" },
        paceMs: 10,
        ...options,
      },
    );
    this.runners.start();
    this.runners.connected();
  }

  /** The agent's process ends; its runners stay. */
  async stop(): Promise<void> {
    await this.runners.close();
    this.#database?.close();
  }

  containers() {
    return this.runtime.listRunners();
  }

  async close(): Promise<void> {
    await this.stop();
    for (const { run } of await this.containers()) await this.runtime.remove(run);
    await this.sessions.close();
    await this.runtime.close();
    rmSync(this.directory, { recursive: true });
  }

  async idle(): Promise<number> {
    return (await this.pools.statistics(ALICE)).reduce((sum, { idleRunners }) => sum + idleRunners, 0);
  }

  async take(options = {}): Promise<string> {
    const result = await this.pools.handOut(ALICE, 0, { waitMs: 60_000, ...options });
    if (!("runner" in result)) throw new Error(JSON.stringify(result));
    return result.runner.id;
  }

  async endOf(id: string): Promise<string | undefined> {
    return (await this.pools.list("alice")).find((runner) => runner.id === id)?.end;
  }
}

const WAIT = { timeout: 60_000, interval: 50 };

describe("runners on the engine", { timeout: 120_000 }, () => {
  let edge: Edge;
  beforeEach(() => {
    edge = new Edge();
    onTestFinished(() => edge.close());
    edge.start();
  });

  test("a pool fills, is handed out once each, and fills again", async () => {
    await edge.pools.put(ALICE, { id: 0, ...SPEC });
    await expect.poll(() => edge.idle(), WAIT).toBe(2);
    const first = await edge.take();
    const second = await edge.take();
    expect(first).not.toBe(second);
    await expect.poll(() => edge.idle(), WAIT).toBe(2);
    expect(await edge.containers()).toHaveLength(4);
    expect(await edge.runtime.list()).toEqual([]);
    await edge.pools.end("alice", first);
    await expect.poll(() => edge.containers().then((all) => all.length), WAIT).toBe(3);
  });

  test("it is what the contract says: bounds, network, process 1, the workspace", async () => {
    await edge.pools.put(ALICE, { id: 0, ...SPEC, prewarmingPoolSize: 1 });
    const id = await edge.take();
    const { Config, HostConfig, State } = await docker.getContainer(`perigee-${id}`).inspect();
    expect(State.Running).toBe(true);
    expect(Config).toMatchObject({ Hostname: id, User: "0:0", WorkingDir: "/workspace" });
    expect(HostConfig).toMatchObject({
      Memory: 64 * MiB,
      MemorySwap: 64 * MiB,
      CpuShares: 20,
      NanoCpus: 2e9,
      PidsLimit: 512,
      NetworkMode: "none",
      RestartPolicy: { Name: "no" },
    });
    const run = async (script: string, as: "root" | "user" = "root") => {
      const argv = ["/bin/bash", "-c", script];
      const execution = await edge.sessions.exec(
        id,
        { argv, as, env: {} },
        { signal: AbortSignal.timeout(30_000) },
      );
      let text = "";
      for await (const { data } of execution.output) text += data;
      return text.trim();
    };
    expect(await run("pwd; stat -c '%U:%G %a' .", "user")).toBe("/workspace\nroot:root 1777");
    expect(await run("ls -A /workspace")).toBe("");
    // what loses its parent is reaped
    await run("(sleep 0.1 & exec true) & wait");
    const zombies =
      "for p in /proc/[0-9]*/stat; do read -r _ n s _ < $p && [ $s = Z ] && echo $n; done 2>/dev/null; true";
    await expect.poll(() => run(zombies), WAIT).toBe("");
  });

  test("without the image the pool says so, and fills as soon as there is one", async () => {
    const found = edge.images.get("alice runner")!;
    edge.images.clear();
    await edge.pools.put(ALICE, { id: 0, ...SPEC });
    const reason = async () => (await edge.pools.pools(ALICE))[0]?.reason;
    await expect.poll(reason, WAIT).toBe("the image runner is not onboard");
    edge.images.set("alice runner", found);
    edge.runners.imagesChanged();
    await expect.poll(() => edge.idle(), WAIT).toBe(2);
    await expect.poll(reason, WAIT).toBeUndefined();
  });

  test("PUT replaces all runners, DELETE ends them, and then nothing is kept", async () => {
    await edge.pools.put(ALICE, { id: 0, ...SPEC });
    await expect.poll(() => edge.idle(), WAIT).toBe(2);
    const before = (await edge.containers()).map(({ run }) => run);
    await edge.pools.put(ALICE, { id: 0, ...SPEC });
    await expect.poll(() => edge.idle(), WAIT).toBe(2);
    await expect
      .poll(async () => (await edge.containers()).some(({ run }) => before.includes(run)), WAIT)
      .toBe(false);
    await edge.pools.remove(ALICE, 0);
    await expect.poll(() => edge.containers(), WAIT).toEqual([]);
  });

  test("inactivity ends it, never early; a session starts it again", async () => {
    await edge.pools.put(ALICE, { id: 0, ...SPEC, prewarmingPoolSize: 1 });
    await expect.poll(() => edge.idle(), WAIT).toBe(1);
    const id = await edge.take({ inactivityMs: 2_000 });
    await expect.poll(() => edge.runners.users(), WAIT).toEqual(["alice"]);
    // the time begins to run while the session is opened
    const at = performance.now();
    const opened = await edge.runners.targets.open("alice", { runner: id }, "exec");
    const { promise, resolve } = Promise.withResolvers<number>();
    opened.ended.addEventListener("abort", () => resolve(performance.now() - at));
    expect(await promise).toBeGreaterThanOrEqual(1_999);
    expect(opened.ended.reason).toEqual({ type: "timeout" });
    await expect.poll(() => edge.endOf(id), WAIT).toBe("inactive");
    // one that comes later hears the same, until nothing is known of the runner any more
    const later = async () => {
      try {
        return (await edge.runners.targets.open("alice", { runner: id }, "exec")).ended.reason;
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect([{ type: "timeout" }, "there is no such runner"]).toContainEqual(await later());
    await expect.poll(later, WAIT).toBe("there is no such runner");
  });

  test("nobody opens another's", async () => {
    await edge.pools.put(ALICE, { id: 0, ...SPEC, prewarmingPoolSize: 1 });
    const id = await edge.take();
    expect(() => edge.runners.targets.open("bob", { runner: id }, "exec")).toThrow("no such runner");
  });

  test("one that dies is told, and the sessions in it; what cannot be stopped ends it too", async () => {
    await edge.pools.put(ALICE, { id: 0, ...SPEC });
    const [killed, stuck] = [await edge.take(), await edge.take()];
    const opened = await edge.runners.targets.open("alice", { runner: killed }, "exec");
    await docker.getContainer(`perigee-${killed}`).kill();
    await expect.poll(() => edge.endOf(killed), WAIT).toBe("exited");
    expect(opened.ended.reason).toMatchObject({ type: "error", code: "GONE" });
    await (await edge.runners.targets.open("alice", { runner: stuck }, "exec")).endUnstoppable?.();
    await expect.poll(() => edge.endOf(stuck), WAIT).toBe("unstoppable");
  });

  test("the agent's restart keeps idle and used ones, and ends those in which something ran", async () => {
    await edge.pools.put(ALICE, { id: 0, ...SPEC });
    const [quiet, busy] = [await edge.take({ inactivityMs: 600_000 }), await edge.take()];
    await expect.poll(() => edge.idle(), WAIT).toBe(2);
    await edge.runners.targets.open("alice", { runner: busy }, "exec");
    (await edge.runners.targets.open("alice", { runner: quiet }, "exec")).release();
    await edge.runners.targets.open("alice", { runner: quiet }, "list");
    const before = (await edge.containers()).map(({ run }) => run);
    await edge.stop();
    edge.start();
    await expect.poll(() => edge.endOf(busy), WAIT).toBe("lost");
    await expect
      .poll(() => edge.containers().then((all) => all.map(({ run }) => run).sort()), WAIT)
      .toEqual(before.filter((id) => id !== busy).sort());
    expect(await edge.endOf(quiet)).toBeUndefined();
    (await edge.runners.targets.open("alice", { runner: quiet }, "exec")).release();
  });

  test("containers that the record does not know are removed, and others' are not", async () => {
    await edge.pools.put(ALICE, { id: 0, ...SPEC, prewarmingPoolSize: 1 });
    await expect.poll(() => edge.idle(), WAIT).toBe(1);
    const [old] = await edge.containers();
    await edge.stop();
    rmSync(edge.directory, { recursive: true });
    edge.start();
    await edge.ring();
    await expect.poll(() => edge.idle(), WAIT).toBe(1);
    await expect
      .poll(async () => (await edge.containers()).map(({ run }) => run), WAIT)
      .not.toContain(old!.run);
  });

  test("a pool of size 0 makes one for the call that waits, and keeps none", async () => {
    await edge.pools.put(ALICE, { id: 0, ...SPEC, prewarmingPoolSize: 0 });
    const id = await edge.take();
    await expect.poll(() => edge.containers().then((all) => all.map(({ run }) => run)), WAIT).toEqual([id]);
  });

  test("what a runner writes is bounded", async () => {
    await edge.stop();
    edge.start({ scratchMs: 100 });
    await edge.pools.put(ALICE, { id: 0, ...SPEC, prewarmingPoolSize: 1 });
    const id = await edge.take();
    const argv = ["/bin/bash", "-c", "head -c 12000000 /dev/zero > /workspace/large"];
    await edge.sessions.exec(id, { argv, as: "user", env: {} }, { signal: AbortSignal.timeout(30_000) });
    await expect.poll(() => edge.endOf(id), WAIT).toBe("evicted");
  });
});

afterAll(() => expect(RUNNER_IMAGE).toMatch(/^perigee-test/));
