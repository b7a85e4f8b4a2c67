import { describe, expect, test } from "vitest";
import { nodesOf } from "./nodes.ts";
import type { Node } from "./types.ts";

type Over = Omit<Partial<Node>, "metadata"> & { labels?: Record<string, string> };
const node = (name: string, { labels = { kind: "mpu" }, ...over }: Over = {}): Node => ({
  metadata: { name, uid: name, resourceVersion: "1", labels },
  status: { conditions: [{ type: "Ready", status: "True" }] },
  ...over,
});
const KINDS = { MPU: { labels: { kind: "mpu" } }, GPU: { labels: { kind: "gpu", model: "a" } } };
const taint = (effect: string) => ({ taints: [{ key: "k", value: "v", effect }] });

describe("nodes of a cluster", () => {
  test("each kind has those with all of its labels, by name; others are not shown", () => {
    const nodes = [
      node("m2"),
      node("m1"),
      node("g", { labels: { kind: "gpu", model: "a" } }),
      node("other", { labels: { kind: "gpu", model: "b" } }),
    ];
    expect(nodesOf(nodes, KINDS)).toEqual([
      { name: "g", kind: "GPU", status: "True" },
      { name: "m1", kind: "MPU", status: "True" },
      { name: "m2", kind: "MPU", status: "True" },
    ]);
  });

  test.each<[string, Over, string]>([
    ["ready", {}, "True"],
    ["out of reach", { status: { conditions: [{ type: "Ready", status: "Unknown" }] } }, "Unknown"],
    ["not ready", { status: { conditions: [{ type: "Ready", status: "False" }] } }, "False"],
    ["silent", { status: {} }, "Unknown"],
    ["cordoned", { spec: { unschedulable: true } }, "False"],
    ["tainted", { spec: taint("NoSchedule") }, "False"],
    ["tainted, a little", { spec: taint("PreferNoSchedule") }, "True"],
    [
      "full",
      {
        status: {
          conditions: [
            { type: "Ready", status: "True" },
            { type: "DiskPressure", status: "True" },
          ],
        },
      },
      "False",
    ],
  ])("%s", (_what, over, status) => {
    expect(nodesOf([node("n", over)], KINDS)[0]?.status).toBe(status);
  });

  test.each([
    [{ key: "k", operator: "Equal", value: "v" }, "True"],
    [{ key: "k", operator: "Exists", effect: "NoSchedule" }, "True"],
    [{ operator: "Exists" }, "True"],
    [{ key: "k", operator: "Equal", value: "other" }, "False"],
    [{ key: "k", operator: "Exists", effect: "NoExecute" }, "False"],
    [{ key: "other", operator: "Exists" }, "False"],
  ] as const)("a taint against the toleration %j", (toleration, status) => {
    const kinds = { MPU: { ...KINDS.MPU, tolerations: [toleration] } };
    expect(nodesOf([node("n", { spec: taint("NoSchedule") })], kinds)[0]?.status).toBe(status);
  });
});
