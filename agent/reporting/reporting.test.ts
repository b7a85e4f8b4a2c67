import { pino } from "pino";
import { afterEach, describe, expect, test } from "vitest";
import { PerigeeError } from "#protocol/errors.ts";
import type { PodReport } from "#protocol/wire.ts";
import { Heart } from "./heart.ts";
import { PodReporter } from "./pod-reporter.ts";
import { Usage } from "./usage.ts";

const log = pino({ level: "silent" });
const closing: { close(): void }[] = [];
afterEach(() => {
  for (const one of closing.splice(0)) one.close();
});

const report = (run: string, startedAt: string): PodReport => ({
  user: "alice",
  pod: "pod-a",
  run,
  image: "busybox",
  node: "mpu1",
  state: { running: { startedAt } },
});

describe("pod reporter", () => {
  test("tells what changed together in one call, the newest state of each run", async () => {
    const calls: PodReport[][] = [];
    const told = Promise.withResolvers<void>();
    const reporter = new PodReporter(async (pods) => {
      calls.push(pods);
      told.resolve();
    }, log);
    closing.push(reporter);
    reporter.changed(report("a", "1"));
    reporter.changed(report("b", "1"));
    reporter.changed(report("a", "2"));
    await told.promise;
    expect(calls).toEqual([[report("a", "2"), report("b", "1")]]);
  });

  test("without contact it keeps the newest and tells it when there is contact again", async () => {
    let contact = false;
    const failed = Promise.withResolvers<void>();
    const told = Promise.withResolvers<PodReport[]>();
    const reporter = new PodReporter(async (pods) => {
      if (contact) return told.resolve(pods);
      failed.resolve();
      throw new Error("no contact");
    }, log);
    closing.push(reporter);
    reporter.changed(report("a", "1"));
    await failed.promise;
    reporter.changed(report("a", "2"));
    contact = true;
    expect(await told.promise).toEqual([report("a", "2")]);
  });

  test("one that the ground refuses keeps no other from being told, and is not told for ever", async () => {
    const refused: string[][] = [];
    const told: string[] = [];
    const reporter = new PodReporter(async (pods) => {
      const runs = pods.map(({ run }) => run);
      if (!runs.includes("c")) return void told.push(...runs);
      refused.push(runs);
      throw new PerigeeError("INVALID_PARAMETERS", "pods: no");
    }, log);
    closing.push(reporter);
    for (const run of ["a", "b", "c", "d", "e"]) reporter.changed(report(run, "1"));
    await expect.poll(() => told.toSorted()).toEqual(["a", "b", "d", "e"]);
    expect(refused.at(-1)).toEqual(["c"]);
    const tries = refused.length;
    reporter.changed(report("a", "2"));
    await expect.poll(() => told.length).toBe(5);
    expect(refused).toHaveLength(tries);
  });

  test("a change while it tells is told too", async () => {
    const sent: string[] = [];
    const both = Promise.withResolvers<void>();
    const reporter: PodReporter = new PodReporter(async (pods) => {
      sent.push(JSON.stringify(pods[0]?.state));
      if (sent.length === 1) reporter.changed(report("a", "2"));
      else both.resolve();
    }, log);
    closing.push(reporter);
    reporter.changed(report("a", "1"));
    await both.promise;
    expect(sent).toEqual([1, 2].map((n) => JSON.stringify({ running: { startedAt: String(n) } })));
  });
});

describe("heart", () => {
  test("beats do not overlap, and one that fails does not end it", async () => {
    let beating = 0;
    let most = 0;
    let beats = 0;
    const heart = new Heart(
      async () => {
        beating += 1;
        most = Math.max(most, beating);
        await new Promise((resolve) => setImmediate(resolve));
        beating -= 1;
        beats += 1;
        if (beats === 1) throw new Error("no contact");
      },
      log,
      60_000,
    );
    closing.push(heart);
    await Promise.all([heart.now(), heart.now(), heart.now()]);
    expect(beats).toBe(1);
    await heart.now();
    expect([beats, most]).toEqual([2, 1]);
  });

  test("at an interval at which it is not due it does not beat", async () => {
    const since: number[] = [];
    const beaten = Promise.withResolvers<void>();
    const heart = new Heart(
      async () => beaten.resolve(),
      log,
      1,
      (ms) => since.push(ms) === 3,
    );
    closing.push(heart);
    await beaten.promise;
    expect(since.slice(0, 3)).toEqual([Infinity, Infinity, Infinity]);
  });
});

describe("usage", () => {
  const make = (over: Partial<ConstructorParameters<typeof Usage>[0]>) => {
    const usage = new Usage(
      {
        users: () => ["alice", "bob"],
        writing: () => [],
        measureVolumes: async (user) => (user === "alice" ? 100 : 0),
        images: async () => 0,
        pods: async () => 0,
        room: () => 1,
        quota: () => 1000,
        evict: async () => {},
        log,
        ...over,
      },
      20,
    );
    closing.push(usage);
    return usage;
  };

  test("adds volumes and images, and leaves out who holds nothing", async () => {
    const usage = make({ images: async (user) => (user === "alice" ? 11 : 0) });
    await usage.measureAll();
    expect(usage.all()).toEqual({ alice: 111 });
  });

  test("measures those again whose kept things went for their age", async () => {
    let kept = 50;
    const measured = Promise.withResolvers<void>();
    const usage = make({
      measureVolumes: async (user) => (user === "bob" ? kept : 0),
      expire: async () => {
        const had = kept > 0 ? ["bob"] : [];
        kept = 0;
        return had;
      },
      measured: () => kept === 0 && measured.resolve(),
    });
    await usage.measure("bob");
    await measured.promise;
    expect(usage.all()).toEqual({});
  });

  test("an engine that does not answer leaves what was known of it, and volumes are counted anew", async () => {
    let away = false;
    let volumes = 100;
    const usage = make({
      measureVolumes: async () => volumes,
      images: async () => {
        if (away) throw new Error("engine");
        return 5;
      },
    });
    await usage.measure("alice");
    away = true;
    expect(await usage.measure("alice")).toBe(105);
    volumes = 0;
    expect(await usage.measure("alice")).toBe(5);
    expect(usage.all()).toEqual({ alice: 5 });
  });

  test("what pods write outside their volumes counts", async () => {
    const usage = make({ pods: async (user) => (user === "bob" ? 7 : 0) });
    await usage.measureAll();
    expect(usage.all()).toEqual({ alice: 100, bob: 7 });
  });

  test("on a full disk the pods stop of whoever holds most, though within the quota", async () => {
    const evicted: string[] = [];
    const done = Promise.withResolvers<void>();
    make({
      writing: () => ["bob", "alice"],
      room: () => 0,
      evict: async (user, why) => {
        evicted.push(`${user} ${why}`);
        done.resolve();
      },
    });
    await done.promise;
    expect(new Set(evicted)).toEqual(new Set(["alice disk"]));
  });

  const MiB = 1024 * 1024;

  /** Who is stopped first, on a disk that is full from the third look on. */
  async function firstStopped(over: Partial<ConstructorParameters<typeof Usage>[0]>): Promise<string> {
    const done = Promise.withResolvers<string>();
    let looks = 0;
    make({
      quota: () => 1000 * MiB,
      writing: () => {
        looks++;
        return ["alice", "bob", "cyd"];
      },
      room: () => (looks < 3 ? 1 : 0),
      evict: async (user) => done.resolve(user),
      ...over,
    });
    return done.promise;
  }

  test("on a full disk the pods stop of whoever writes, though another holds more", async () => {
    let written = 0;
    const measureVolumes = async (user: string) => {
      if (user === "bob") written += MiB;
      return { alice: 500 * MiB, bob: written }[user] ?? 0;
    };
    expect(await firstStopped({ measureVolumes })).toBe("bob");
  });

  test("on a full disk the pods stop of whoever writes most of those who write", async () => {
    let looks = 0;
    const measureVolumes = async (user: string) => {
      if (user === "alice") looks++;
      return { alice: 500 * MiB + looks * MiB, bob: looks * 3 * MiB, cyd: looks * 100 }[user] ?? 0;
    };
    expect(await firstStopped({ measureVolumes })).toBe("bob");
  });

  test("on a full disk whose bytes nobody can count, the pods stop of whoever wrote most since", async () => {
    let wrote = 0;
    const measured = {
      measureVolumes: async (user: string) => (user === "alice" ? 500 * MiB : 0),
      wrote: (user: string) => {
        if (user === "cyd") wrote += MiB;
        return { alice: 900 * MiB, cyd: wrote }[user] ?? 0;
      },
    };
    expect(await firstStopped(measured)).toBe("cyd");
  });

  test("stops the pods of a user who writes past the quota, and of nobody else", async () => {
    const evicted: string[] = [];
    const done = Promise.withResolvers<void>();
    make({
      writing: () => ["bob", "alice"],
      quota: () => 99,
      evict: async (user, why) => {
        evicted.push(`${user} ${why}`);
        done.resolve();
      },
    });
    await done.promise;
    expect(new Set(evicted)).toEqual(new Set(["alice quota"]));
  });

  test("who writes to a volume over its size is stopped at the second look, and nobody else", async () => {
    const looks: string[][] = [];
    const evicted: string[] = [];
    const done = Promise.withResolvers<void>();
    // the first makes room in time, the second comes at a volume that is full, and does not
    const atLook = [["first"], ["second"], ["second"]];
    make({
      writing: () => ["alice", "bob"],
      measureVolumes: async (user) => {
        if (user === "alice") looks.push(atLook[looks.length] ?? []);
        return 0;
      },
      volumes: {
        over: (user) => (user === "alice" ? ["v"] : []),
        writers: (user, volume) => (user === "alice" && volume === "v" ? looks.at(-1)! : ["other"]),
        evict: (runs) => {
          evicted.push(...runs);
          done.resolve();
        },
      },
      evict: async (user) => {
        evicted.push(user);
      },
    });
    await done.promise;
    expect([evicted, looks.length]).toEqual([["second"], 3]);
  });

  test("a look at which volumes could not be measured is no second look", async () => {
    const evicted: string[] = [];
    const done = Promise.withResolvers<void>();
    // "first" has made room by the time that they can be measured again
    const atLook = [["first"], "fails", [], ["second"], "fails", ["second"]] as const;
    let look = -1;
    make({
      writing: () => ["alice"],
      async measureVolumes() {
        look++;
        if (atLook[look] === "fails") throw new Error("the worker has died");
        return 0;
      },
      volumes: {
        over: () => ["v"],
        // of a look that failed, as it was at the one before
        writers: () => {
          const seen = atLook[look] === "fails" ? atLook[look - 1] : atLook[look];
          return [...((seen as readonly string[] | undefined) ?? [])];
        },
        evict: (runs) => {
          evicted.push(...runs);
          done.resolve();
        },
      },
    });
    await done.promise;
    expect([evicted, look]).toEqual([["second"], 5]);
  });
});
