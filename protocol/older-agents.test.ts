import { describe, expect, test } from "vitest";
import { asAgentTakes, FEATURES } from "./older-agents.ts";
import { FIRST_OPERATIONS, OPERATION_NAMES, OPERATIONS } from "./operations.ts";

const NEW = { operations: OPERATION_NAMES, features: Object.values(FEATURES) };
/** version 0.2 names its operations, and no features */
const SECOND = { operations: FIRST_OPERATIONS, features: [] };
const FIRST = {};

const RUN = {
  pod: "p",
  mounts: [{ volume: "v", at: "/data" }],
  image: "tool",
  kind: "MPU",
  onSameName: "replace",
  maxMs: 60_000,
  network: "user",
  defaultWorkdir: "/data",
  ports: [],
  envs: {},
};
const FIRST_RUN = {
  pod: "p",
  volume: "v",
  image: "tool",
  node: "MPU",
  maxDuration: 1,
  ports: [],
  envs: {},
};

describe.each([
  ["0.1", FIRST],
  ["0.2", SECOND],
])("an agent of version %s", (_, agent) => {
  test("is given operations by the names it knows", () => {
    const path = { volume: "v", path: "a" };
    expect(asAgentTakes({ operation: "file.delete", input: path }, agent)).toEqual({
      operation: "volume.delete",
      input: path,
    });
    expect(asAgentTakes({ operation: "volume.remove", input: { volume: "v" } }, agent)).toEqual({
      operation: "volumes.delete",
      input: { volume: "v" },
    });
    expect(asAgentTakes({ operation: "volume.delete", input: path }, agent)?.operation).toBe("volume.delete");
  });

  test("is given a run as it knows runs, whichever version recorded it", () => {
    const given = { operation: "pod.run", input: FIRST_RUN };
    expect(asAgentTakes({ operation: "pod.run", input: RUN }, agent)).toEqual(given);
    expect(asAgentTakes({ operation: "pod.run", input: FIRST_RUN }, agent)).toEqual(given);
  });

  test("is not given a run that it would not run as it was asked for", () => {
    const input = { ...RUN, network: "none" };
    expect(asAgentTakes({ operation: "pod.run", input }, agent)).toBeUndefined();
  });
});

describe.each([
  ["0.1", FIRST],
  ["0.2", SECOND],
])("builds and name spaces, for an agent of version %s", (_, agent) => {
  const build = { dockerfile: "D", context: "", image: "tool" };

  test("a build from a volume is given as it knows it, no other", () => {
    const first = { ...build, volume: "v" };
    const given = (input: object) => asAgentTakes({ operation: "image.build", input }, agent);
    expect(given({ ...build, source: { volume: "v" } })).toEqual({ operation: "image.build", input: first });
    expect(given(first)?.input).toEqual(first);
    expect(given({ ...build, source: { staged: true } })).toBeUndefined();
    expect(given({ ...build, source: { volume: "v" }, log: true })).toBeUndefined();
    expect(asAgentTakes({ operation: "image.build", input: first }, NEW)?.input).toEqual({
      ...build,
      source: { volume: "v" },
    });
  });

  test("what is in a space is not given: it would act outside of it", () => {
    for (const operation of ["volume.list", "file.delete", "volumes.list", "image.delete"] as const) {
      const input = { volume: "v", path: "a", image: "i", space: "kabuto" };
      expect(asAgentTakes({ operation, input }, agent)).toBeUndefined();
      expect(asAgentTakes({ operation, input }, NEW)).toEqual({ operation, input });
    }
    expect(asAgentTakes({ operation: "pod.run", input: { ...RUN, space: "kabuto" } }, agent)).toBeUndefined();
    expect(
      asAgentTakes(
        { operation: "image.build", input: { ...build, source: { volume: "v" }, space: "a" } },
        agent,
      ),
    ).toBeUndefined();
  });
});

test("an agent of this version takes all as it is, and runs that an older ground recorded in the new shape", () => {
  for (const operation of OPERATION_NAMES) {
    if (operation === "pod.run" || operation === "image.build") continue;
    expect(asAgentTakes({ operation, input: {} }, NEW)).toEqual({ operation, input: {} });
  }
  expect(asAgentTakes({ operation: "pod.run", input: FIRST_RUN }, NEW)?.input).toEqual(RUN);
  expect(asAgentTakes({ operation: "pod.run", input: RUN }, NEW)?.input).toEqual(RUN);
});

test("a delta that names its old file is for an agent that looks at that, one of an older ground for any", () => {
  const given = (input: object, features: string[]) =>
    asAgentTakes({ operation: "volume.patch", input }, { operations: OPERATION_NAMES, features });
  expect(given({ base: "00" }, [])).toBeUndefined();
  for (const features of [[], [FEATURES.deltaBase]]) expect(given({}, features)?.input).toEqual({});
});

test("an operation that the agent does not know at all is not given", () => {
  expect(asAgentTakes({ operation: "file.delete", input: {} }, { operations: ["pod.run"] })).toBeUndefined();
});

test("what is malformed goes to the agent as it is: it refuses it, and the edge goes on", () => {
  const input = { pod: 7 };
  for (const agent of [FIRST, SECOND, NEW]) {
    expect(asAgentTakes({ operation: "pod.run", input }, agent)?.input).toBe(input);
  }
});

test("each old name means what it always did", () => {
  const path = { volume: "v", path: "a/b" };
  expect(OPERATIONS["volume.delete"].input.parse(path)).toEqual(path);
  expect(OPERATIONS["volumes.delete"].input.parse({ volume: "v" })).toEqual({ volume: "v" });
  expect(OPERATION_NAMES).toEqual(expect.arrayContaining([...FIRST_OPERATIONS]));
});

test("an agent that does not know how to keep what a failed compile leaves is given the command", () => {
  const input = {
    ...{ space: "unik", image: "i", base: "docker", language: "c", provider: "docker" },
    ...{ mountPoints: [], args: "" },
  };
  const asked = { ...input, noCleanup: true };
  expect(asAgentTakes({ operation: "image.compile", input: asked }, NEW)?.input).toEqual(asked);
  const before = OPERATIONS["image.compile"].input.omit({ noCleanup: true });
  expect(before.parse(asked)).toEqual(input);
});
