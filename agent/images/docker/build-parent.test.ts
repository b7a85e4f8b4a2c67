import { expect, test } from "vitest";
import { BuildParent, isBuildParent } from "./build-parent.ts";

test("is a path or a slice, as the engine's cgroup driver wants it", () => {
  const parent = new BuildParent("instance", 3);
  expect(parent.text("cgroupfs")).toMatch(/^\/perigee_build_[0-9a-f]{16}_3$/);
  // without -, at which systemd would nest
  expect(parent.text("systemd")).toMatch(/^perigee_build_[0-9a-f]{16}_3\.slice$/);
  for (const driver of ["cgroupfs", "systemd", "none"]) {
    expect(parent.is(parent.text(driver))).toBe(true);
    expect(isBuildParent("instance", parent.text(driver))).toBe(true);
  }
});

test("is no other agent's, no other build's, and no other container's", () => {
  const parent = new BuildParent("instance", 1);
  for (const other of [
    new BuildParent("other", 1).text("cgroupfs"),
    new BuildParent("instance", 11).text("cgroupfs"),
    `${parent.text("cgroupfs")}/x`,
    "",
    "/docker",
    undefined,
  ]) {
    expect(parent.is(other), other).toBe(false);
  }
  expect(isBuildParent("instance", new BuildParent("other", 1).text("cgroupfs"))).toBe(false);
  expect(isBuildParent("instance", `${parent.text("cgroupfs")}/x`)).toBe(false);
  expect(isBuildParent("instance", "")).toBe(false);
});
