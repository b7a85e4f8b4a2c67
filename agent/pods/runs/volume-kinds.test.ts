import { expect, test } from "vitest";
import { assertOneKind } from "./volume-kinds.ts";

const run = (provider: string | undefined, ...volumes: string[]) => ({
  ...(provider !== undefined && { provider }),
  volumes: Object.fromEntries(volumes.map((name) => [name, `/volumes/${name}`])),
});
const machine = run("qemu", "disk", "other");
const container = run("docker", "data");

test("machines share no volume with containers, of whichever provider", () => {
  expect(() => assertOneKind(run("docker", "x", "disk"), [container, machine])).toThrow(
    expect.objectContaining({
      code: "VOLUME_IN_USE",
      message: "The volume disk is in use by a virtual machine that has not terminated",
    }),
  );
  expect(() => assertOneKind(run(undefined, "other"), [machine])).toThrow("in use by a virtual machine");
  expect(() => assertOneKind(run("qemu", "data"), [machine, container])).toThrow("in use by a container");
});

test("those of one kind may, and so may all that share none", () => {
  expect(assertOneKind(run("kubernetes", "data", "new"), [container, machine])).toBeUndefined();
  expect(assertOneKind(run("qemu", "disk"), [container, machine])).toBeUndefined();
  expect(assertOneKind(run("docker"), [machine])).toBeUndefined();
});
