import { expect, test } from "vitest";
import type { Holding, Pod } from "../api/types.ts";
import { holdingOfPod, podRows } from "./pod-rows.ts";

const AT = "2026-01-01T00:00:00Z";
const ended = { exitCode: 143, reason: "Error", startedAt: AT, finishedAt: AT };
const pod = (name: string, over: Partial<Pod> = {}): Pod => ({
  ...{
    pod_name: name,
    image: "img:latest",
    node: "n",
    run: "r",
    state: { running: { startedAt: AT } },
    age: 1,
  },
  ...over,
});
const holding = (over: Partial<Holding>): Holding => ({
  ...{ dialect: "unik", kind: "instance", name: "web", created: AT, state: "running", phase: "runs" },
  ...over,
});

test("a pod that another API made has its name there, once, and that API named", () => {
  const rows = podRows([pod("own"), pod("i01")], [holding({ known: "i01", image: "app" })]);
  expect(rows.map(({ name, image, dialect, at }) => [name, image, dialect, at])).toEqual([
    ["own", "img:latest", undefined, ["pods", "own"]],
    ["web", "app", "unik", ["pods", "i01"]],
  ]);
});

test("what is no pod yet, or never, is there too; what is none of these is not", () => {
  const rows = podRows(
    [],
    [
      holding({
        dialect: "kabuto",
        kind: "job",
        name: "7",
        state: "in_queue",
        phase: "waits",
        command: "01J",
      }),
      holding({ dialect: "poseidon", kind: "runner", name: "3-ab-cd-ef", state: "used" }),
      holding({ kind: "image", name: "app" }),
      holding({ kind: "volume", name: "data", known: "data" }),
    ],
  );
  expect(rows.map(({ name, status, at }) => [name, status.level, status.word, at])).toEqual([
    ["Job 7", "standby", "In queue", ["commands", "01J"]],
    ["3-ab", "normal", "Used", undefined],
  ]);
});

test("a volume or an image of a pod's name is not that pod", () => {
  const volume = holding({ kind: "volume", name: "data", known: "data" });
  const instance = holding({ name: "web", known: "data" });
  expect(holdingOfPod("data", [volume])).toBeUndefined();
  expect(holdingOfPod("data", [volume, instance])).toBe(instance);
  expect(podRows([pod("data")], [volume])).toMatchObject([{ name: "data", note: "" }]);
});

test("a dot in a pod's name names its API where no more is known; a stopped one says how it ended", () => {
  expect(podRows([pod("j3.kabuto")], [])[0]).toMatchObject({ name: "j3.kabuto", dialect: "kabuto" });
  const stopped = pod("p", { state: { terminated: ended }, stopped: true });
  expect(podRows([stopped], [])[0]).toMatchObject({
    status: { level: "off", word: "Stopped" },
    note: "exit code 143",
  });
});
