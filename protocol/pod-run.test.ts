import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LIMITS } from "./limits.ts";
import { NODE_KINDS } from "./names.ts";
import { type FirstPodRun, fromFirstRun, type PodRun, podRunInput, toFirstRun } from "./pod-run.ts";

const RUN: PodRun = {
  pod: "p",
  mounts: [{ volume: "v", at: "/data" }],
  image: "tool",
  kind: "MPU",
  onSameName: "replace",
  maxMs: 300_000,
  network: "user",
  defaultWorkdir: "/data",
  ports: [],
  envs: {},
};
const FIRST: FirstPodRun = {
  pod: "p",
  volume: "v",
  image: "tool",
  node: "MPU",
  maxDuration: 5,
  ports: [],
  envs: {},
};

describe("a run of versions up to 0.2", () => {
  test("is one volume at /data, minutes, and takes the place of its name", () => {
    expect(podRunInput.parse(FIRST)).toEqual(RUN);
    expect(podRunInput.parse({ ...FIRST, scheduledTime: 7, command: ["a"] })).toEqual({
      ...RUN,
      scheduledAt: 7,
      command: ["a"],
    });
  });

  test("comes back as it was", () => {
    const first = fc.record(
      {
        pod: fc.constantFrom("p", "q"),
        volume: fc.constantFrom("v", "w"),
        image: fc.string({ maxLength: 20 }),
        node: fc.constantFrom(...NODE_KINDS),
        maxDuration: fc.integer({ min: 1, max: 1_000_000_000 }),
        scheduledTime: fc.nat(),
        command: fc.array(fc.string({ unit: "grapheme-ascii", maxLength: 5 }), { maxLength: 3 }),
        args: fc.array(fc.string({ unit: "grapheme-ascii", maxLength: 5 }), { maxLength: 3 }),
        ports: fc.array(fc.integer({ min: 1, max: 65535 }), { maxLength: 3 }),
        envs: fc.dictionary(fc.constantFrom("A", "B"), fc.string({ unit: "grapheme-ascii", maxLength: 5 })),
      },
      { requiredKeys: ["pod", "volume", "image", "node", "maxDuration", "ports", "envs"] },
    );
    fc.assert(
      fc.property(first, (run) => {
        expect(toFirstRun(podRunInput.parse(run))).toEqual(run);
        expect(podRunInput.parse(run)).toEqual(fromFirstRun(run));
      }),
    );
  });

  test.each<[string, Partial<PodRun>]>([
    ["no volume", { mounts: [] }],
    ["a volume elsewhere", { mounts: [{ volume: "v", at: "/in" }] }],
    [
      "two volumes",
      {
        mounts: [
          { volume: "v", at: "/data" },
          { volume: "w", at: "/in" },
        ],
      },
    ],
    ["a part of a volume", { mounts: [{ volume: "v", at: "/data", subPath: "a" }] }],
    ["a volume to read only", { mounts: [{ volume: "v", at: "/data", readOnly: true }] }],
    ["any kind of node", { kind: undefined }],
    ["one node", { node: "mpu1" }],
    ["no end", { maxMs: undefined }],
    ["less than whole minutes", { maxMs: 90_000 }],
    ["idleness", { idleMs: 1 }],
    ["limits", { limits: { pids: 5 } }],
    ["no network", { network: "none" }],
    ["to be refused", { onSameName: "refuse" }],
    ["a provider", { provider: "docker" }],
    ["its image's own directory", { defaultWorkdir: undefined }],
    ["another directory", { defaultWorkdir: "/work" }],
  ])("cannot ask for %s", (_, over) => {
    const run = { ...RUN, ...over };
    expect(podRunInput.safeParse(run).success).toBe(true);
    expect(toFirstRun(run)).toBeUndefined();
  });
});

describe("mounts", () => {
  const takes = (mounts: unknown) => podRunInput.safeParse({ ...RUN, mounts }).success;
  const at = (place: string) => ({ volume: "v", at: place });

  test.each(["/", "", "data", "/data/", "//data", "/a/../b", "/./a", "/dev", "/dev/shm", "/proc/1", "/sys"])(
    "cannot be at %j",
    (place) => {
      expect(takes([at(place)])).toBe(false);
    },
  );

  test.each(["/data", "/devices", "/a/b/c", "/etc/x", "/a..b"])("can be at %j", (place) => {
    expect(takes([at(place)])).toBe(true);
  });

  test("do not lie in one another", () => {
    expect(takes([at("/data"), at("/data/in")])).toBe(false);
    expect(takes([at("/data/in"), at("/data")])).toBe(false);
    expect(takes([at("/data"), at("/data")])).toBe(false);
    expect(takes([at("/data"), at("/database")])).toBe(true);
  });

  test.each(["../a", "a/../..", "/a", "a//b", "a/", "."])(
    "lead nowhere but into the volume: not %j",
    (subPath) => {
      expect(takes([{ ...at("/data"), subPath }])).toBe(false);
    },
  );

  test("are so many at most", () => {
    const many = (count: number) => Array.from({ length: count }, (_, n) => at(`/m${n}`));
    expect(takes(many(LIMITS.podMounts))).toBe(true);
    expect(takes(many(LIMITS.podMounts + 1))).toBe(false);
  });
});
