import { expect, test } from "vitest";
import { boundedInventory } from "./bounded-inventory.ts";
import { LIMITS } from "./limits.ts";
import type { InventoryReport } from "./wire.ts";

const image = (n: number) => ({
  name: "n".repeat(200),
  tag: `${n}`.padEnd(128, "t"),
  id: `sha256:${"0".repeat(64)}`,
  size: 1,
  created: 1,
});
const report = (images: number, volumes: number): InventoryReport => ({
  user: "ann",
  images: Array.from({ length: images }, (_, n) => image(n)),
  volumes: Array.from({ length: volumes }, (_, n) => ({ name: `v${n}`, size: 1, created: 1 })),
  truncated: false,
});

test("what fits stays as it is", () => {
  const small = report(3, 2);
  expect(boundedInventory(small)).toEqual(small);
});

test("of 1,000 images with long names the first are kept, and all of the short list", () => {
  const bounded = boundedInventory(report(1000, 10));
  expect(JSON.stringify(bounded).length).toBeLessThan(LIMITS.inventoryBytes + 1024);
  expect(bounded.images.length).toBeGreaterThan(400);
  expect(bounded.images).toEqual(report(1000, 0).images.slice(0, bounded.images.length));
  expect(bounded.volumes).toHaveLength(10);
  expect(bounded.truncated).toBe(true);
});

test("loads of FPGAs are cut as well, which truncates no list of images or volumes", () => {
  const loads = Array.from({ length: 1000 }, (_, n) => ({ id: n, message: "m".repeat(500) }));
  const fpga = { images: [], loads } as unknown as NonNullable<InventoryReport["fpga"]>;
  const bounded = boundedInventory({ ...report(1, 1), fpga });
  expect(JSON.stringify(bounded).length).toBeLessThan(LIMITS.inventoryBytes + 1024);
  expect(bounded.fpga!.loads.length).toBeGreaterThan(200);
  expect(bounded).toMatchObject({ truncated: false, images: { length: 1 }, volumes: { length: 1 } });
});
