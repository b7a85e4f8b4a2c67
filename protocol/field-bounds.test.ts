import { describe, expect, test } from "vitest";
import { FIELD_BOUNDS, itemsRule, startRule } from "./field-bounds.ts";
import { LIMITS } from "./limits.ts";
import { type InputOf, OPERATIONS, type OperationName } from "./operations.ts";

const RUN: InputOf<"pod.run"> = {
  pod: "p",
  mounts: [{ volume: "v", at: "/data" }],
  image: "i",
  kind: "MPU",
  onSameName: "replace",
  network: "user",
  ports: [],
  envs: {},
};
const list = (items: number) => Array.from({ length: items }, () => "x");
const variables = (items: number) => Object.fromEntries(list(items).map((text, i) => [`K${i}`, text]));
const takes = (operation: OperationName, input: object) =>
  OPERATIONS[operation].input.safeParse(input).success;

describe("what an edge is asked for is bounded there too", () => {
  const path = (bytes: number) => "x".repeat(bytes);
  const { podPorts, podWords, podEnvs, startBytes, pathBytes, uplinkFiles, uplinkBytes } = LIMITS;
  const { bytes: imageBytes } = FIELD_BOUNDS.image;
  test.each<[string, OperationName, object, object]>([
    [
      "ports",
      "pod.run",
      { ...RUN, ports: Array(podPorts).fill(1) },
      { ...RUN, ports: Array(podPorts + 1).fill(1) },
    ],
    ["args", "pod.run", { ...RUN, args: list(podWords) }, { ...RUN, args: list(podWords + 1) }],
    ["command", "pod.run", { ...RUN, command: list(podWords) }, { ...RUN, command: list(podWords + 1) }],
    ["envs", "pod.run", { ...RUN, envs: variables(podEnvs) }, { ...RUN, envs: variables(podEnvs + 1) }],
    [
      "command, args and envs together",
      "pod.run",
      { ...RUN, command: ["x".repeat(startBytes - 6)], args: ["x"], envs: { A: "" } },
      { ...RUN, command: ["x".repeat(startBytes - 6)], args: ["x"], envs: { A: "x" } },
    ],
    [
      "a word in bytes",
      "pod.run",
      { ...RUN, args: ["ü".repeat(10)] },
      { ...RUN, args: ["ü".repeat(startBytes / 2)] },
    ],
    ["NUL", "pod.run", RUN, { ...RUN, envs: { A: "\0" } }],
    ["image", "pod.run", { ...RUN, image: path(imageBytes) }, { ...RUN, image: path(imageBytes + 1) }],
    ["image", "image.delete", { image: path(imageBytes) }, { image: path(imageBytes + 1) }],
    ["image", "edge.publish", { image: path(imageBytes) }, { image: path(imageBytes + 1) }],
    [
      "a path",
      "volume.delete",
      { volume: "v", path: path(pathBytes) },
      { volume: "v", path: path(pathBytes + 1) },
    ],
    [
      "an uplink's files",
      "volume.uplink",
      { volume: "v", count: uplinkFiles, bytes: uplinkBytes },
      { volume: "v", count: uplinkFiles + 1, bytes: 0 },
    ],
    [
      "an uplink's bytes",
      "volume.uplink",
      { volume: "v", count: 1, bytes: 0 },
      { volume: "v", count: 1, bytes: uplinkBytes + 1 },
    ],
  ])("%s of %s", (_what, operation, within, over) => {
    expect(takes(operation, within)).toBe(true);
    expect(takes(operation, over)).toBe(false);
  });
});

test("the rules name the bound", () => {
  expect(itemsRule("ports", 64)).toBeUndefined();
  expect(itemsRule("ports", 65)).toBe("must be at most 64 ports");
  expect(startRule({ envs: { A: "x".repeat(LIMITS.startBytes) } })).toBe(
    "must be at most 131072 bytes together",
  );
});
