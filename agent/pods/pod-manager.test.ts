import { afterAll, beforeAll, expect, test } from "vitest";
import { endOf, PodRig } from "#test/support/pod-rig.ts";

let rig: PodRig;
beforeAll(async () => {
  rig = await PodRig.create();
});
afterAll(() => rig.cleanUp());

test("a run writes its volume, ends as Completed, and its log is there by then", async () => {
  const manager = rig.manager();
  const run = rig.sh(manager, "ada", "pwd; echo err >&2; echo hello > out.txt");
  const end = await endOf(manager, run);
  expect(end, end.message).toMatchObject({ exitCode: 0, reason: "Completed" });
  expect(rig.lines(run).sort()).toEqual(["/data", "err"]);
  expect(rig.read("ada-default", "out.txt")).toBe("hello\n");
  expect(await manager.status("ada", "default")).toEqual({ terminated: end });
  await manager.close();
});
