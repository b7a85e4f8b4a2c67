import { expect, test } from "vitest";
import { place } from "./node-placement.ts";

const nodes = [
  { name: "fpga", kind: "FPGA", status: "True" as const },
  { name: "mpu1", kind: "mpu", status: "True" as const },
  { name: "mpu2", kind: "MPU", status: "True" as const },
  { name: "gpu", kind: "GPU", status: "Unknown" as const },
];

test("the emptiest ready node of the kind, the first of equals", () => {
  expect(place({ kind: "MPU" }, nodes, new Map())).toEqual({ node: "mpu1", kind: "MPU" });
  expect(place({ kind: "MPU" }, nodes, new Map([["mpu1", 1]]))).toEqual({ node: "mpu2", kind: "MPU" });
});

test("one node by its name, of whatever kind, or any at all", () => {
  expect(place({ node: "mpu2" }, nodes, new Map())).toEqual({ node: "mpu2", kind: "MPU" });
  expect(place({}, nodes, new Map([["fpga", 1]]))).toEqual({ node: "mpu1", kind: "MPU" });
  for (const wanted of [{ node: "mpu1", kind: "GPU" as const }, { node: "none" }, { node: "gpu" }]) {
    expect(place(wanted, nodes, new Map())).toHaveProperty("unschedulable");
  }
});

test("says why there is none", () => {
  expect(place({ kind: "GPU" }, nodes, new Map())).toEqual({
    unschedulable:
      "0/4 nodes are available: 1 node(s) were not ready, 3 node(s) didn't match Pod's node affinity/selector.",
  });
  expect(place({ kind: "GPU" }, [], new Map())).toEqual({
    unschedulable: "0/0 nodes are available: no nodes.",
  });
});
