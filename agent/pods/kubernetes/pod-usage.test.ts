import { beforeEach, expect, test } from "vitest";
import type { Call } from "./api.ts";
import { KubernetesRefusal } from "./errors.ts";
import { PodUsages } from "./pod-usage.ts";
import { durationMs, quantity } from "./quantity.ts";

let now: number;
let asked: { path: string; call: Call | undefined }[];
/** what the metrics API answers; undefined: the cluster has none */
let items: object[] | undefined;
let usages: PodUsages;
beforeEach(() => {
  now = 0;
  asked = [];
  items = [];
  const call = async (path: string, call?: Call) => {
    asked.push({ path, call });
    if (!items)
      throw new KubernetesRefusal(404, "NotFound", "the server could not find the requested resource");
    return { items } as never;
  };
  usages = new PodUsages({ call }, "perigee.instance=i", () => now);
});

const measured = (seconds: number, cpu: string, memory: string, name = "p") => ({
  metadata: { name, namespace: "n" },
  timestamp: new Date(Date.UTC(2026, 0, 1) + seconds * 1000).toISOString(),
  window: "15s",
  containers: [{ name: "c", usage: { cpu, memory } }],
});
const later = (ms: number) => {
  now += ms;
  return usages.of("n", "p");
};

test("CPU time is the sum over the windows, memory the peak", async () => {
  items = [measured(0, "500m", "2Mi")];
  expect(await later(0)).toEqual({ cpuMs: 7500, memoryBytes: 2 * 2 ** 20, ioBytes: 0 });
  items = [measured(20, "1", "1Mi")];
  expect(await later(5000)).toEqual({ cpuMs: 27_500, memoryBytes: 2 * 2 ** 20, ioBytes: 0 });
});

test("a window that is told again counts once", async () => {
  items = [measured(0, "1", "1Mi")];
  await later(0);
  expect(await later(5000)).toMatchObject({ cpuMs: 15_000 });
});

test("all pods are asked for at once, by their label, and not at every sample", async () => {
  items = [measured(0, "1", "1Mi"), measured(0, "2", "3Mi", "q")];
  expect(await Promise.all([usages.of("n", "p"), usages.of("n", "q"), usages.of("n", "none")])).toEqual([
    { cpuMs: 15_000, memoryBytes: 2 ** 20, ioBytes: 0 },
    { cpuMs: 30_000, memoryBytes: 3 * 2 ** 20, ioBytes: 0 },
    undefined,
  ]);
  await later(4999);
  expect(asked).toHaveLength(1);
  expect(asked[0]).toMatchObject({
    path: "/apis/metrics.k8s.io/v1beta1/pods",
    call: { query: { labelSelector: "perigee.instance=i" } },
  });
});

test("a cluster without a metrics API measures nothing, and is asked again after a minute", async () => {
  items = undefined;
  expect(await later(0)).toBeUndefined();
  expect(await later(59_999)).toBeUndefined();
  expect(asked).toHaveLength(1);
  items = [measured(0, "1", "1Mi")];
  expect(await later(1)).toMatchObject({ cpuMs: 15_000 });
});

test("a pod that is told of no more keeps what it had, for a while", async () => {
  items = [measured(0, "1", "1Mi")];
  await later(0);
  items = [];
  expect(await later(5000)).toMatchObject({ cpuMs: 15_000 });
  expect(await later(700_000)).toBeUndefined();
});

test.each([
  ["12345678n", 0.012345678],
  ["250m", 0.25],
  ["2", 2],
  ["1.5", 1.5],
  ["2048Ki", 2 ** 21],
  ["1G", 1e9],
  ["", 0],
  ["x", 0],
])("quantity %j", (text, number) => {
  expect(quantity(text)).toBeCloseTo(number, 12);
});

test.each([
  ["15s", 15_000],
  ["1m30.5s", 90_500],
  ["20ms", 20],
  ["", 0],
])("duration %j", (text, ms) => {
  expect(durationMs(text)).toBe(ms);
});
