import { DatabaseSync } from "node:sqlite";
import Docker from "dockerode";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { failureOf, ImageWorld } from "#test/support/image-world.ts";
import { watchedEngine } from "#test/support/watched-engine.ts";
import { imageHandlers } from "../image-handlers.ts";
import { DockerImageStore } from "./image-store.ts";

const world = new ImageWorld();
const { alice, bob, busybox, id: mark } = world;
const commandId = "01STORE00000000000000000AB";

beforeAll(() => world.setUp());
afterAll(() => world.tearDown());

/** A store of another agent's life on the same engine: its own record, the same instance or another. */
function freshStore(options: Partial<ConstructorParameters<typeof DockerImageStore>[0]> = {}) {
  return new DockerImageStore({
    docker: world.docker,
    database: new DatabaseSync(":memory:"),
    instance: world.instance,
    ...options,
  });
}

async function tag(id: string, name: string): Promise<void> {
  const colon = name.lastIndexOf(":");
  await world.docker.getImage(id).tag({ repo: name.slice(0, colon), tag: name.slice(colon + 1) });
}

const idOf = async (name: string) => (await world.docker.getImage(name).inspect()).Id;

describe("public images", () => {
  test("are those of the first start, for good, when the configuration names none", async () => {
    const database = new DatabaseSync(":memory:");
    const first = freshStore({ database, publicImages: undefined });
    await first.start();
    expect((await first.resolve(alice, busybox))?.reference).toBe(busybox);
    const later = `late-${mark}:v1`;
    await tag(busybox, later);
    const second = freshStore({ database, publicImages: undefined });
    await second.start();
    expect(await second.resolve(alice, later)).toBeUndefined();
    expect(await second.resolve(alice, busybox)).toBeDefined();
    // a list of the configuration takes its place, what the operator published stays
    await second.publish(later);
    const third = freshStore({ database, publicImages: [] });
    expect(await third.resolve(alice, busybox)).toBeUndefined();
    expect((await third.resolve(alice, later))?.reference).toBe(later);
    await world.docker.getImage(later).remove();
  });

  test("do not take in what users made", async () => {
    await world.buildText(alice, "private", `FROM ${busybox}\nRUN true\n`);
    const fresh = freshStore();
    await fresh.start();
    expect(await fresh.resolve(bob, `${alice}-private`)).toBeUndefined();
  });

  test("are published by whole name only, and never a user's", async () => {
    const id = await idOf(busybox);
    const hex = id.slice("sha256:".length);
    for (const image of [id, hex.slice(0, 12), `nothing-${mark}`, "Not One"]) {
      expect((await failureOf(world.run("edge.publish", "_operator", { image }))).code, image).toBe(
        "IMAGE_NOT_FOUND",
      );
    }
    const image = `${alice}-private`;
    expect((await failureOf(world.run("edge.publish", "_operator", { image }))).code).toBe("ALREADY_EXISTS");
    const name = `published-${mark}:v1`;
    await tag(busybox, name);
    expect(await world.store.resolve(bob, name)).toBeUndefined();
    await world.run("edge.publish", "_operator", { image: `docker.io/library/${name}` });
    expect(await world.store.resolve(bob, `library/${name}`)).toEqual({ id, reference: name });
  });

  test("are published only if pods may run them: without a reserved label", async () => {
    const name = `labelled-${mark}:v1`;
    const container = await world.docker.createContainer({ Image: busybox, Cmd: ["true"] });
    const [repo, version] = name.split(":");
    await container.commit({ repo, tag: version, changes: "LABEL perigee.run=x" });
    await container.remove();
    const failure = await failureOf(world.run("edge.publish", "_operator", { image: name }));
    expect(failure.code).toBe("INVALID_PARAMETERS");
    expect(failure.message).toContain("perigee.run");
    expect(await world.store.resolve(bob, name)).toBeUndefined();
  });

  test("keep their meaning when a user's name would spell the same", async () => {
    const name = `${alice}-tool:latest`;
    await tag(busybox, name);
    const id = await idOf(busybox);
    await world.run("edge.publish", "_operator", { image: name });
    const failure = await failureOf(world.buildText(alice, "tool", `FROM ${busybox}\nRUN true\n`));
    expect(failure).toMatchObject({ code: "BUILD_FAILED" });
    expect(failure.log).toContain("belongs to a public image");
    await world.write(alice, { "x.tar": "x" });
    expect((await failureOf(world.load(alice, "tool", "x.tar"))).log).toContain("belongs to a public image");
    expect((await failureOf(world.run("image.delete", alice, { image: "tool" }))).code).toBe(
      "IMAGE_NOT_FOUND",
    );
    expect((await world.store.resolve(bob, name))?.id).toBe(id);
    expect(await world.store.resolve(alice, "tool")).toBeUndefined();
  });
});

describe("a name", () => {
  test("that is the beginning of an ID finds no image by it", async () => {
    const hex = (await idOf(busybox)).slice("sha256:".length);
    for (let length = 2; length <= 64; length += 7) {
      expect(await world.store.resolve(alice, hex.slice(0, length))).toBeUndefined();
    }
    // an image of that very name is found by its name
    await world.buildText(alice, hex.slice(0, 12), `FROM ${busybox}\nRUN echo mine > /mine\n`);
    const found = await world.store.resolve(alice, hex.slice(0, 12));
    expect(found?.id).not.toContain(hex);
    expect(found?.reference).toBe(`${alice}-${hex.slice(0, 12)}:latest`);
  });

  test("is found with and without the onboard registry before it", async () => {
    await world.buildText(alice, "reg", `FROM ${busybox}\nRUN true\n`);
    const store = world.openStore({ registry: "registry:5000" });
    const own = await store.resolve(alice, "reg");
    for (const name of [
      `registry:5000/${alice}-reg`,
      "registry:5000/reg:latest",
      `localhost:5000/${alice}-reg`,
    ]) {
      expect(await store.resolve(alice, name), name).toEqual(own);
    }
    expect(await store.resolve(bob, `registry:5000/${alice}-reg`)).toBeUndefined();
    expect((await store.resolve(bob, `registry:5000/${busybox}`))?.reference).toBe(busybox);
    expect((await store.resolve(bob, `docker.io/${busybox}`))?.reference).toBe(busybox);
  });

  test("that is the user's own does not fall back to a public image when its image is gone", async () => {
    await world.buildText(bob, busybox, `FROM ${busybox}\nRUN echo gone > /gone\n`);
    const { id } = (await world.store.resolve(bob, busybox))!;
    await world.docker.getImage(`${bob}-${busybox}`).remove();
    expect(await world.store.inspect(id)).toBeUndefined();
    expect(await world.store.resolve(bob, busybox)).toBeUndefined();
    expect((await world.store.list(bob)).map(({ name }) => name)).not.toContain(busybox.split(":")[0]);
    await world.run("image.delete", bob, { image: busybox });
    expect((await world.store.resolve(bob, busybox))?.reference).toBe(busybox);
  });
});

describe("a delete", () => {
  test("says what is not there and what is in use, and succeeds when it is done again", async () => {
    await world.buildText(alice, "used", `FROM ${busybox}\nRUN true\n`);
    const remove = (options = {}) => world.run("image.delete", alice, { image: "used" }, options);
    expect((await failureOf(world.run("image.delete", bob, { image: "used" }))).code).toBe("IMAGE_NOT_FOUND");
    world.inUse.add(`${alice}/used:latest`);
    expect((await failureOf(remove())).code).toBe("IMAGE_IN_USE");
    world.inUse.clear();
    await remove();
    expect((await failureOf(remove())).code).toBe("IMAGE_NOT_FOUND");
    await remove({ notes: [{ step: "commit", detail: undefined }] });
    expect(await world.tags()).not.toContain(`${alice}-used:latest`);
  });

  test("takes the name from an image that a container holds, and the image once it does not", async () => {
    await world.buildText(alice, "held", `FROM ${busybox}\nRUN echo held > /held\n`);
    const { id } = (await world.store.resolve(alice, "held"))!;
    const container = await world.docker.createContainer({ Image: id, Cmd: ["true"] });
    try {
      await world.run("image.delete", alice, { image: "held" });
      expect(await world.tags()).not.toContain(`${alice}-held:latest`);
      expect(await world.store.resolve(alice, "held")).toBeUndefined();
    } finally {
      await container.remove();
    }
    await world.store.discard(commandId);
    await world.store.settled();
    expect(await world.store.inspect(id)).toBeUndefined();
  });
});

describe("a start", () => {
  test("clears what cut commands left, except what will come again, and tags what is recorded", async () => {
    await world.buildText(alice, "kept", `FROM ${busybox}\nRUN echo kept > /kept\n`);
    const { id } = (await world.store.resolve(alice, "kept"))!;
    const [cut, open] = ["01CUTCUTCUTCUTCUTCUTCUTCUT", "01OPENOPENOPENOPENOPENOPEN"];
    await tag(id, world.store.temporaryName(cut));
    await tag(id, world.store.temporaryName(open));
    await world.docker.getImage(`${alice}-kept:latest`).remove();
    const container = await world.docker.createContainer({ Image: busybox, Cmd: ["true"] });
    try {
      await world.openStore({ unfinished: [open] }).start();
      expect(await world.tags()).toContain(`${alice}-kept:latest`);
      expect(await world.tags()).not.toContain(world.store.temporaryName(cut));
      expect(await world.tags()).toContain(world.store.temporaryName(open));
      await world.openStore().start();
      expect(await world.tags()).not.toContain(world.store.temporaryName(open));
      // nobody's container stays nobody's
      expect((await container.inspect()).Image).toBe(await idOf(busybox));
    } finally {
      await container.remove();
    }
  });
});

describe("usage", () => {
  test("counts what an image has beyond the public one under it, and shared layers once", async () => {
    const before = await world.store.usage(bob);
    const layers = "RUN dd if=/dev/zero of=/a bs=1M count=3\n";
    await world.buildText(bob, "big", `FROM ${busybox}\n${layers}`);
    const one = (await world.store.usage(bob)) - before;
    expect(one).toBe(3 * 1024 ** 2);
    await world.buildText(bob, "bigger", `FROM big\nRUN dd if=/dev/zero of=/b bs=1M count=1\n`);
    expect((await world.store.usage(bob)) - before).toBe(4 * 1024 ** 2);
    const { bytes, own } = await world.store.holdings(bob);
    expect(bytes - before).toBe(4 * 1024 ** 2);
    expect(own).toEqual(await world.store.list(bob));
    expect(own.map(({ name }) => name)).toEqual(expect.arrayContaining(["big", "bigger"]));
    await world.run("image.delete", bob, { image: "big" });
    expect((await world.store.usage(bob)) - before).toBe(4 * 1024 ** 2);
    await world.run("image.delete", bob, { image: "bigger" });
    expect(await world.store.usage(bob)).toBe(before);
  });
});

test("who names an image does not wait until what is nameless has been cleaned away", async () => {
  let held: Promise<void> | undefined;
  const { docker, asked } = watchedEngine((what) => (what.includes("dangling") ? held : undefined));
  const store = world.openStore({ docker });
  await store.start();
  const { promise, resolve } = Promise.withResolvers<void>();
  held = promise;
  asked.length = 0;
  const named = { name: "named", tag: "latest" };
  await store.commit(alice, named, await idOf(busybox), commandId);
  expect(await world.tags()).toContain(`${alice}-named:latest`);
  resolve();
  await store.settled();
  expect(asked.filter((what) => what.includes("dangling"))).toHaveLength(1);
  await store.remove(alice, named);
});

test("an engine that does not answer is ENGINE_UNAVAILABLE, and asked again", async () => {
  const store = freshStore({ docker: new Docker({ socketPath: `${world.directory}/nowhere.sock` }) });
  const handlers = imageHandlers(store, world.deps);
  await world.write(alice, { Dockerfile: "FROM scratch\nCOPY . /\n" });
  for (const operation of [
    () => world.run("image.list", alice, {}, { handlers }),
    () => world.build(alice, "x", { handlers }),
    () => world.run("edge.publish", "_operator", { image: "x" }, { handlers }),
    () => store.start(),
  ]) {
    expect((await failureOf(operation())).code).toBe("ENGINE_UNAVAILABLE");
  }
});
