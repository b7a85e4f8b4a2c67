import { expect, test } from "vitest";
import { place } from "./node-placement.ts";

const nodes = [
  { name: "fpga", kind: "FPGA", status: "True" as const },
  { name: "mpu1", kind: "mpu", status: "True" as const },
  { name: "mpu2", kind: "MPU", status: "True" as const },
  { name: "gpu", kind: "GPU", status: "Unknown" as const },
];

test("the emptiest ready node of the kind, the first of equals", () => {
  expect(place("MPU", nodes, new Map())).toEqual({ node: "mpu1" });
  expect(place("MPU", nodes, new Map([["mpu1", 1]]))).toEqual({ node: "mpu2" });
});

test("says why there is none", () => {
  expect(place("GPU", nodes, new Map())).toEqual({
    unschedulable:
      "0/4 nodes are available: 1 node(s) were not ready, 3 node(s) didn't match Pod's node affinity/selector.",
  });
  expect(place("GPU", [], new Map())).toEqual({ unschedulable: "0/0 nodes are available: no nodes." });
});
