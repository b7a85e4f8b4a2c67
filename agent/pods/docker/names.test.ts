import { ulid } from "ulid";
import { describe, expect, test } from "vitest";
import { containerName, runOfName } from "./names.ts";

describe("the name of a run's container", () => {
  test("says which run it is, there and back, as the engine spells it too", () => {
    const run = ulid();
    const name = containerName("perigee", run);
    expect(name).toBe(`perigee-${run.toLowerCase()}`);
    expect([runOfName("perigee", name), runOfName("perigee", `/${name}`)]).toEqual([run, run]);
  });

  test.each(["x/../y", "", "..", "01kah8zj5q4w6t8y0b2c4d6e8f", `${ulid()}x`, `${ulid()}\n`, "u".repeat(26)])(
    "is none for %j",
    (run) => {
      expect(() => containerName("perigee", run)).toThrow(TypeError);
    },
  );

  test.each([
    "perigee-victim",
    "perigee-",
    "perigee",
    "other-01kah8zj5q4w6t8y0b2c4d6e8f",
    "perigee-01KAH8ZJ5Q4W6T8Y0B2C4D6E8F",
    "perigee-01kah8zj5q4w6t8y0b2c4d6e8f-2",
    "perigee-81kah8zj5q4w6t8y0b2c4d6e8f",
    "perigee-01kah8zj5q4w6t8y0b2c4d6e8u",
    "//perigee-01kah8zj5q4w6t8y0b2c4d6e8f",
    "x/perigee-01kah8zj5q4w6t8y0b2c4d6e8f",
  ])("is not %j", (name) => {
    expect(runOfName("perigee", name)).toBeUndefined();
  });
});
