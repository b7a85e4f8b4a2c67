import { DatabaseSync } from "node:sqlite";
import { ulid } from "ulid";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeRuntime } from "#test/support/fake-runtime.ts";
import { endOf, running, stateWhere, waitingFor } from "#test/support/pod-rig.ts";
import { PodManager, type PodManagerDeps, type PodManagerOptions } from "../pod-manager.ts";
import { ImageMissing } from "../pod-runtime.ts";
import { Runtimes } from "../runtimes.ts";
import type { RunInput } from "./run-record.ts";
import { RunStore } from "./run-store.ts";

let database: DatabaseSync;
let runtime: FakeRuntime;
let errors: unknown[];
const managers: PodManager[] = [];
beforeEach(() => {
  database = new DatabaseSync(":memory:");
  runtime = new FakeRuntime();
  errors = [];
});
afterEach(async () => {
  for (const manager of managers.splice(0)) await manager.close();
  database.close();
});

function open(over: Partial<PodManagerDeps & PodManagerOptions> = {}): PodManager {
  const deps: PodManagerDeps = {
    db: database,
    runtimes: new Runtimes(runtime),
    resolveImage: async () => ({ id: "sha256:1" }),
    push: async () => "nobody",
    onError: (error) => errors.push(error),
    ...over,
  };
  const manager = new PodManager(deps, { retryMs: { first: 20, most: 20 }, logFlushMs: 10, ...over });
  managers.push(manager);
  manager.start();
  return manager;
}

function run(manager: PodManager, over: Partial<RunInput> = {}): string {
  const id = ulid();
  const input: RunInput = {
    pod: "default",
    mounts: [{ volume: "default", at: "/data" }],
    image: "tool",
    kind: "MPU",
    onSameName: "replace",
    maxMs: 3600_000,
    network: "user",
    ports: [],
    envs: {},
    ...over,
  };
  manager.accept({ id, user: "ada", volumes: { default: "/nowhere" }, input });
  return id;
}

const recordOf = (id: string) => new RunStore(database).load().find((record) => record.run === id)!;

describe("a node whose clock is wrong", () => {
  test.each([
    ["an hour ahead", 3600_000],
    ["an hour behind", -3600_000],
  ])("by %s moves no deadline, and no time that users see", async (_, skew) => {
    const start = runtime.start.bind(runtime);
    runtime.start = async (spec) => ({ ...(await start(spec)), startedAt: Date.now() + skew });
    const manager = open();
    const before = Date.now();
    const id = run(manager);
    await stateWhere(manager, id, running);
    const after = Date.now();
    const { startedAt = 0, deadline } = recordOf(id);
    expect(startedAt).toBeGreaterThanOrEqual(before);
    expect(startedAt).toBeLessThanOrEqual(after);
    expect(deadline).toBe(startedAt + 60 * 60_000);
    runtime.end(id, { finishedAt: new Date(Date.now() + skew).toISOString() });
    const { finishedAt } = await endOf(manager, id);
    expect(Date.parse(finishedAt ?? "")).toBeGreaterThanOrEqual(Math.floor(before / 1000) * 1000);
    expect(Date.parse(finishedAt ?? "")).toBeLessThanOrEqual(Date.now());
  });

  test.each([3600_000, -3600_000])(
    "moves none of a run that is found running either (%i ms)",
    async (skew) => {
      const start = runtime.start.bind(runtime);
      runtime.start = async (spec) => {
        await start(spec);
        const startedAt = new Date(Date.now() + skew).toISOString();
        runtime.runs.get(spec.run)!.state = { running: { startedAt } };
        throw new Error("the answer got lost");
      };
      const manager = open();
      const before = Date.now();
      const id = run(manager);
      await stateWhere(manager, id, running);
      expect(recordOf(id).deadline).toBeGreaterThanOrEqual(before + 60 * 60_000);
      expect(recordOf(id).deadline).toBeLessThanOrEqual(Date.now() + 60 * 60_000);
    },
  );
});

describe("a start whose answer was lost", () => {
  test("is taken up where it stood: what is missing of it is done, and again until that worked", async () => {
    const start = runtime.start.bind(runtime);
    runtime.start = async (spec) => {
      await start(spec);
      throw new Error("the answer got lost");
    };
    const adopt = runtime.adopt.bind(runtime);
    let tries = 0;
    runtime.adopt = async (spec) => {
      if (++tries === 1) throw new Error("not yet");
      return adopt(spec);
    };
    const manager = open();
    const id = run(manager);
    await stateWhere(manager, id, running);
    expect([tries, runtime.calls]).toEqual([2, ["start", "adopt"]]);
  });
});

test("a kept run that is over and removed is forgotten as soon as its command lets it go", async () => {
  const manager = open();
  const id = run(manager);
  const { signal } = new AbortController();
  const kept = ulid();
  const { input } = manager.run(id)!;
  const volumes = { default: "/nowhere" };
  manager.accept({ id: kept, user: "ada", volumes, input: { ...input, pod: "job" }, kept: true });
  await manager.until(kept, ({ phase }) => phase === "running", signal);
  runtime.end(kept);
  await manager.until(kept, ({ removed, flushed }) => removed && flushed, signal);
  expect(recordOf(kept).kept).toBe(true);
  // what removed it is over by then
  await new Promise(setImmediate);
  manager.letGo(kept);
  expect([manager.run(kept), recordOf(kept)]).toEqual([undefined, undefined]);
  expect(manager.run(id)).toBeDefined();
});

describe("what cannot be asked of the engine", () => {
  const message = "The engine cannot be asked for it: URI malformed";
  const failed = { reason: "StartError", startedAt: null, message };

  test("ends the run before it has a place, and is not asked again and again", async () => {
    let asked = 0;
    const manager = open({
      resolveImage: async () => {
        asked++;
        throw new URIError("URI malformed");
      },
    });
    expect(await endOf(manager, run(manager))).toMatchObject(failed);
    expect([asked, errors.length]).toEqual([3, 3]);
    expect(runtime.calls).toEqual([]);
  });

  test("ends the run whose start was noted, and what there is of it is removed", async () => {
    runtime.start = async (spec) => {
      runtime.runs.set(spec.run, { spec, state: { waiting: { reason: "ContainerCreating" } } });
      throw new URIError("URI malformed");
    };
    const manager = open();
    const id = run(manager);
    expect(await endOf(manager, id)).toMatchObject(failed);
    await manager.until(id, ({ removed }) => removed, new AbortController().signal);
    expect(runtime.runs.size).toBe(0);
  });

  test("lets the run go on that has started all the same", async () => {
    const start = runtime.start.bind(runtime);
    runtime.start = async (spec) => {
      await start(spec);
      throw new TypeError("what the engine answered cannot be read");
    };
    const manager = open();
    await stateWhere(manager, run(manager), running);
  });

  test("is no fault of the way to the engine: that is tried until it works", async () => {
    const start = runtime.start.bind(runtime);
    let tries = 0;
    runtime.start = async (spec) => {
      if (++tries < 6) throw new TypeError("fetch failed", { cause: new Error("ECONNREFUSED") });
      return start(spec);
    };
    const manager = open();
    await stateWhere(manager, run(manager), running);
  });
});

test("an image that is gone lets no run go that the engine holds", async () => {
  runtime.start = async (spec) => {
    runtime.runs.set(spec.run, { spec, state: { waiting: { reason: "ContainerCreating" } } });
    throw new ImageMissing(spec.imageId);
  };
  const manager = open();
  const id = run(manager);
  await stateWhere(manager, id, waitingFor("ImagePullBackOff"));
  expect(recordOf(id).phase).toBe("starting");
  await manager.stop("ada", "default");
  expect(runtime.calls).toContain("stop");
});

describe("an image that takes long to reach the nodes", () => {
  let pushed: PromiseWithResolvers<void>;
  let asked: Promise<void>;
  beforeEach(() => {
    pushed = Promise.withResolvers();
    const heard = Promise.withResolvers<void>();
    asked = heard.promise;
    runtime.prepare = async () => {
      heard.resolve();
      await pushed.promise;
    };
  });

  test("costs the run none of its time", async () => {
    let skip = 0;
    const manager = open({ now: () => Date.now() + skip });
    const id = run(manager);
    await asked;
    skip = 20 * 60_000;
    const before = Date.now() + skip;
    pushed.resolve();
    await stateWhere(manager, id, running);
    expect(recordOf(id).startedAt).toBeGreaterThanOrEqual(before);
    expect(recordOf(id).deadline).toBeGreaterThanOrEqual(before + 60 * 60_000);
  });

  test("does not hold up a stop, and what was stopped does not start when it is there", async () => {
    const manager = open();
    const id = run(manager);
    await asked;
    await manager.stop("ada", "default");
    pushed.resolve();
    expect(await endOf(manager, id)).toMatchObject({ reason: "Cancelled", startedAt: null });
    expect(runtime.calls).toEqual([]);
  });

  test("is waited for no longer than max_duration", async () => {
    const manager = open();
    const id = run(manager, { maxMs: 50 });
    expect(await endOf(manager, id)).toMatchObject({ reason: "DeadlineExceeded", startedAt: null });
    expect(runtime.calls).toEqual([]);
  });

  test("stops the run that it replaces only when it is there", async () => {
    pushed.resolve();
    const manager = open();
    const first = run(manager);
    await stateWhere(manager, first, running);
    pushed = Promise.withResolvers();
    const heard = new Promise<void>((resolve) => {
      runtime.prepare = async () => {
        resolve();
        await pushed.promise;
      };
    });
    const second = run(manager);
    await heard;
    expect(runtime.calls).toEqual(["start"]);
    pushed.resolve();
    await stateWhere(manager, second, running);
    expect(runtime.calls.slice(0, 2)).toEqual(["start", "stop"]);
  });

  test("and that is gone by then leaves the run waiting for one", async () => {
    const manager = open();
    const id = run(manager);
    await asked;
    pushed.reject(new ImageMissing("sha256:1"));
    await stateWhere(manager, id, waitingFor("ImagePullBackOff"));
    expect(recordOf(id).phase).toBe("waiting");
  });
});

describe("the address of a run that an agent before started", () => {
  const addresses = { give: async () => "127.88.0.1", release: () => undefined };
  const input = { address: true, ports: [80] };
  const reaches = async (manager: PodManager, id: string, address: string) => {
    const now = () => manager.reports().find((report) => report.run === id)?.address;
    while (now() !== address) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  beforeEach(() => {
    Object.assign(runtime, { connect: async () => Promise.reject(new Error("not reached")) });
  });

  test("is listened at again once the engine answers", async () => {
    const first = open();
    const id = run(first, input);
    await stateWhere(first, id, running);
    await managers.pop()!.close();
    const addressOf = runtime.addressOf.bind(runtime);
    let tries = 0;
    runtime.addressOf = async (of) => {
      if (++tries === 1) throw new Error("not yet");
      return addressOf(of);
    };
    await reaches(open({ addresses }), id, "127.88.0.1");
    expect([tries, errors]).toEqual([2, [new Error("not yet")]]);
  });

  test("is the one inside when there are no others any more", async () => {
    const first = open({ addresses });
    const id = run(first, input);
    await reaches(first, id, "127.88.0.1");
    await managers.pop()!.close();
    await reaches(open(), id, "10.0.0.2");
  });
});
