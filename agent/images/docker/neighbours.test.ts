import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ImageWorld } from "#test/support/image-world.ts";
import { ociArchive, tarOf } from "#test/support/saved-archive.ts";

const world = new ImageWorld();
const { alice, bob, busybox, id: mark } = world;

beforeAll(() => world.setUp());
afterAll(() => world.tearDown());

async function archive(user: string, image: string): Promise<void> {
  const layer = await tarOf([{ name: "file", content: `${mark} ${user} ${image}` }]);
  const config = { config: { Cmd: ["/file"] } };
  await world.write(user, {
    [`${image}.tar`]: await ociArchive({ tags: [`${image}:latest`], layers: [layer], config }),
  });
}

/** Steps enough that others begin and end between two of them. */
const long = (name: string) =>
  `FROM ${busybox}\n${Array.from({ length: 12 }, (_, i) => `RUN echo ${name} ${mark} > /step${i}\n`).join("")}`;

const build = (user: string, image: string) => world.buildText(user, image, long(image));

describe("work on images at the same time", () => {
  test("a build keeps its layers while others load, replace and delete images", async () => {
    const images = ["l0", "l1", "l2", "l3"];
    for (const image of images) await archive(bob, image);
    let building = true;
    const built = build(alice, "long").finally(() => {
      building = false;
    });
    let rounds = 0;
    do {
      // each of them cleans up behind itself
      await Promise.all(images.map((image) => world.load(bob, image, `${image}.tar`)));
      await world.run("image.delete", bob, { image: images[rounds % images.length]! });
      rounds++;
    } while (building);
    await built;
    expect(await world.store.resolve(alice, "long")).toBeDefined();
    for (const [i, image] of images.entries()) {
      const deleted = i === (rounds - 1) % images.length;
      expect((await world.store.resolve(bob, image)) === undefined).toBe(deleted);
    }
  });

  test("two loads at once end well, and so do two builds", async () => {
    await archive(alice, "one");
    await archive(alice, "two");
    await Promise.all([world.load(alice, "one", "one.tar"), world.load(alice, "two", "two.tar")]);
    expect(await world.store.resolve(alice, "one")).toBeDefined();
    expect(await world.store.resolve(alice, "two")).toBeDefined();
    await Promise.all([build(alice, "b1"), build(bob, "b2")]);
    expect(await world.store.resolve(alice, "b1")).toBeDefined();
    expect(await world.store.resolve(bob, "b2")).toBeDefined();
  });
});
