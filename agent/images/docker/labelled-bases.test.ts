import { afterAll, beforeAll, expect, test } from "vitest";
import { ImageWorld } from "#test/support/image-world.ts";

const world = new ImageWorld();
const { alice, bob, busybox, id: mark } = world;
const own = `perigee-test/own-${mark}:latest`;

beforeAll(() => world.setUp());
afterAll(() => world.tearDown());

/** Builds something that was never built; the IDs of what each step has made, the first last. */
async function stepsOf(user: string, image: string, from = busybox): Promise<string[]> {
  await world.buildText(user, image, `FROM ${from}\nLABEL never.built=${mark}-${user}-${image}\n`);
  const { id } = (await world.store.resolve(user, image))!;
  const history: { Id: string; CreatedBy: string }[] = await world.docker.getImage(id).history();
  return history.map(({ Id }) => Id);
}
const kept = async () => (await world.tags()).filter((name) => name.includes("/labelled:"));

test("the agent's own step is found in the cache by the user's next build, whatever was cleaned away", async () => {
  const first = await stepsOf(alice, "first");
  await world.run("image.delete", alice, { image: "first" });
  expect(await kept()).toHaveLength(1);
  const second = await stepsOf(alice, "second");
  expect(second[0]).not.toBe(first[0]);
  expect(second.slice(1)).toEqual(first.slice(1));
  expect(await kept()).toHaveLength(1);
  expect(await world.leftovers()).toEqual([]);
  // not by another user's
  expect((await stepsOf(bob, "third"))[1]).not.toBe(first[1]);
});

test("so is that of a stage on nothing", async () => {
  const first = await stepsOf(alice, "nothing", "scratch");
  await world.run("image.delete", alice, { image: "nothing" });
  expect((await stepsOf(alice, "again", "scratch")).slice(1)).toEqual(first.slice(1));
});

test("of a user's own image nothing is kept, and of a public one no more than the engine has a name for", async () => {
  const before = await kept();
  await stepsOf(alice, "mine", "second");
  expect(await kept()).toEqual(before);
  const container = await world.docker.createContainer({ Image: busybox, Cmd: ["true"] });
  const [repo, tag] = own.split(":") as [string, string];
  await container.commit({ repo, tag, changes: `LABEL test.own=${mark}` });
  await container.remove();
  await world.store.publish(own);
  await stepsOf(alice, "public", own);
  expect(await kept()).toHaveLength(before.length + 1);
  await world.run("image.delete", alice, { image: "public" });
  await world.docker.getImage(own).remove();
  // whatever is cleaned next
  await stepsOf(alice, "other", "scratch");
  expect(await kept()).toEqual(before);
});

test("a start lets all of them go", async () => {
  expect(await kept()).not.toEqual([]);
  await world.openStore().start();
  expect(await kept()).toEqual([]);
});
