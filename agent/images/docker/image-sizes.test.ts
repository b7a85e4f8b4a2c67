import { afterAll, beforeAll, expect, test } from "vitest";
import { ImageWorld } from "#test/support/image-world.ts";
import { watchedEngine } from "#test/support/watched-engine.ts";
import { DockerImageStore } from "./image-store.ts";

const world = new ImageWorld();
const { bob, busybox, id: mark } = world;
const publicImages = Array.from({ length: 9 }, (_, n) => `perigee-test/public-${mark}:v${n}`);

beforeAll(async () => {
  await world.setUp();
  for (const name of publicImages) await tag(name);
});
afterAll(async () => {
  for (const name of publicImages) await untag(name);
  await world.tearDown();
});

const tag = (name: string, image = busybox) => {
  const [repo = "", version = ""] = name.split(":");
  return world.docker.getImage(image).tag({ repo, tag: version });
};
const untag = (name: string) =>
  world.docker
    .getImage(name)
    .remove()
    .catch(() => undefined);

/** A store on the same engine and record, and what it asks the engine for. */
function watched(): { store: DockerImageStore; asked: string[] } {
  const { docker, asked } = watchedEngine();
  const { database, instance } = world;
  return { store: new DockerImageStore({ docker, database, instance, publicImages }), asked };
}

test("what is public is asked for in one call, however much there is", async () => {
  await world.buildText(bob, "own", `FROM ${busybox}\nRUN dd if=/dev/zero of=/a bs=1M count=2\n`);
  const { store, asked } = watched();
  const first = await store.usage(bob);
  expect(first).toBe(2 * 1024 ** 2);
  asked.length = 0;
  expect(await store.usage(bob)).toBe(first);
  expect(asked).toHaveLength(1);
});

test("what is removed from the engine, or given another content, is seen at the next look", async () => {
  const { store } = watched();
  const before = await store.usage(bob);
  for (const name of publicImages) await untag(name);
  // nothing under it is public any more
  expect(await store.usage(bob)).toBeGreaterThan(before);
  for (const name of publicImages) await tag(name);
  expect(await store.usage(bob)).toBe(before);
  const { id } = (await store.resolve(bob, "own"))!;
  const last = publicImages.at(-1)!;
  await tag(last, id);
  expect(await store.usage(bob)).toBe(0);
  await tag(last);
  expect(await store.usage(bob)).toBe(before);
});

test("an image that the engine lists no more is found all the same by its ID", async () => {
  const { store } = watched();
  const before = await store.holdings(bob);
  await world.buildText(bob, "above", `FROM own\nLABEL above=it\n`);
  const between = await store.holdings(bob);
  expect(between.bytes).toBe(before.bytes);
  expect(between.own).toHaveLength(2);
  // its name is gone, and it is beneath another
  await untag(`${bob}-own:latest`);
  expect(await store.holdings(bob)).toEqual(between);
});
