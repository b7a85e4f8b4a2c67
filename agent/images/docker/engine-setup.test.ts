import { expect, test } from "vitest";
import { watchedEngine } from "#test/support/watched-engine.ts";
import { EngineSetup } from "./engine-setup.ts";

test("an engine is asked once how it is set up, and again when that is in doubt", async () => {
  const { docker, asked } = watchedEngine();
  const setup = new EngineSetup(docker);
  const [first, same] = await Promise.all([setup.get(), setup.get()]);
  expect(first.cgroupDriver).not.toBe("");
  expect(first.rootDirectory).toMatch(/^\//);
  expect(same).toEqual(first);
  await setup.get();
  expect(asked).toHaveLength(1);
  setup.doubt();
  expect(await setup.get()).toEqual(first);
  expect(asked).toHaveLength(2);
});

test("one that does not answer is asked again", async () => {
  let isThere = false;
  const { docker, asked } = watchedEngine(() => {
    if (!isThere) throw Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
    return undefined;
  });
  const setup = new EngineSetup(docker);
  await expect(setup.get()).rejects.toMatchObject({ code: "ENGINE_UNAVAILABLE" });
  isThere = true;
  expect((await setup.get()).cgroupDriver).not.toBe("");
  expect(asked).toHaveLength(2);
});
