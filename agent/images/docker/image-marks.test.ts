import { symlinkSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openEngine } from "#agent/engine/open-engine.ts";
import { failureOf, ImageWorld } from "#test/support/image-world.ts";
import { ociArchive, tarOf } from "#test/support/saved-archive.ts";
import { DockerImageStore } from "./image-store.ts";
import { isPrivateName, OwnMarks, temporaryPrefix, unmarked } from "./own-names.ts";

const world = new ImageWorld();
const { alice, bob, busybox, id: mark } = world;
const marks = new OwnMarks(world.instance);

beforeAll(() => world.setUp());
afterAll(() => world.tearDown());

/** Loads an image that is unlike any other and carries no label of ours. */
async function load(user: string, image: string): Promise<string> {
  const layer = await tarOf([{ name: "file", content: `${mark} ${user} ${image}` }]);
  const config = { config: { Cmd: ["/file"] } };
  await world.write(user, {
    "x.tar": await ociArchive({ tags: [`${image}:latest`], layers: [layer], config }),
  });
  await world.load(user, image, "x.tar");
  return (await world.store.resolve(user, image))!.id;
}

/** The store of an agent whose record is lost. */
function lostRecord(options: Partial<ConstructorParameters<typeof DockerImageStore>[0]> = {}) {
  const told: string[] = [];
  const log = { error: (text: string) => void told.push(text) } as never;
  const database = new DatabaseSync(":memory:");
  const store = new DockerImageStore({
    docker: world.docker,
    database,
    instance: `${world.instance}-next`,
    home: world.instance,
    log,
    ...options,
  });
  return { store, told, database };
}

const tagsOf = async (id: string) => (await world.docker.getImage(id).inspect()).RepoTags.sort();

describe("a loaded image", () => {
  test("is marked as a user's until its name is taken away", async () => {
    const id = await load(alice, "marked");
    const name = `${alice}-marked:latest`;
    expect(await tagsOf(id)).toEqual([name, marks.of(name)].sort());
    await world.run("image.delete", alice, { image: "marked" });
    expect(await world.store.inspect(id)).toBeUndefined();
  });

  test("that is replaced by a build takes its mark along, and what is replaced by it goes", async () => {
    const loaded = await load(alice, "swap");
    await world.buildText(alice, "swap", `FROM ${busybox}\nRUN echo swap > /swap\n`);
    const built = (await world.store.resolve(alice, "swap"))!.id;
    expect(await world.store.inspect(loaded)).toBeUndefined();
    expect(await tagsOf(built)).toEqual([`${alice}-swap:latest`]);
    const again = await load(alice, "swap");
    expect(await world.store.inspect(built)).toBeUndefined();
    expect(await tagsOf(again)).toContain(marks.of(`${alice}-swap:latest`));
    await world.run("image.delete", alice, { image: "swap" });
  });

  test("of an agent from before is marked at the start", async () => {
    const id = await load(alice, "old");
    const name = `${alice}-old:latest`;
    await world.docker.getImage(marks.of(name)).remove();
    await world.openStore().start();
    expect(await tagsOf(id)).toContain(marks.of(name));
  });
});

describe("a lost record", () => {
  test("makes nothing public by itself, and says so; what the operator names is", async () => {
    await load(alice, "mine");
    const { store, told, database } = lostRecord();
    await store.start();
    expect(told).toHaveLength(1);
    expect(told[0]).toMatch(/publicImages.*perigee edge publish/);
    for (const name of [busybox, `${alice}-mine`, `${alice}-mine:latest`]) {
      expect(await store.resolve(bob, name), name).toBeUndefined();
    }
    // so it stays, also when the marks are gone
    const later = new DockerImageStore({
      docker: world.docker,
      database,
      instance: "other",
      home: "elsewhere",
    });
    await later.start();
    expect(await later.resolve(bob, busybox)).toBeUndefined();
    await later.publish(busybox);
    expect((await later.resolve(bob, busybox))?.reference).toBe(busybox);
    const named = lostRecord({ publicImages: [busybox] });
    await named.store.start();
    expect(named.told).toEqual([]);
    expect((await named.store.resolve(bob, busybox))?.reference).toBe(busybox);
    expect(await named.store.resolve(bob, `${alice}-mine`)).toBeUndefined();
  });

  test("is also seen by what is on the disk, once and for good", async () => {
    const { store, told, database } = lostRecord({ home: "elsewhere", traces: true });
    await store.start();
    expect(told).toHaveLength(1);
    expect(await store.resolve(bob, busybox)).toBeUndefined();
    const again = lostRecord({ home: "elsewhere", database });
    await again.store.start();
    expect(again.told).toHaveLength(1);
    expect(await again.store.resolve(bob, busybox)).toBeUndefined();
  });

  test("is none because users came before the engine", async () => {
    const database = new DatabaseSync(":memory:");
    const nowhere = openEngine({ socketPath: `${world.directory}/nowhere.sock` });
    const first = lostRecord({ home: "elsewhere", database, docker: nowhere });
    await expect(first.store.start()).rejects.toMatchObject({ code: "ENGINE_UNAVAILABLE" });
    const second = lostRecord({ home: "elsewhere", database, traces: true });
    await second.store.start();
    expect(second.told).toEqual([]);
    expect((await second.store.resolve(bob, busybox))?.reference).toBe(busybox);
  });

  test("of another agent on the engine takes no public image away, and gives none of its users' away", async () => {
    await load(alice, "theirs");
    const { store, told } = lostRecord({ home: "elsewhere" });
    await store.start();
    expect(told).toEqual([]);
    expect((await store.resolve(bob, busybox))?.reference).toBe(busybox);
    expect(await store.resolve(bob, `${alice}-theirs`)).toBeUndefined();
  });
});

describe("an engine that comes late", () => {
  test("finds what unfinished commands made kept, whoever asks first", async () => {
    await world.buildText(alice, "base", `FROM ${busybox}\nRUN echo late > /late\n`);
    const { id } = (await world.store.resolve(alice, "base"))!;
    const [cut, open] = ["01LATECUTCUTCUTCUTCUTCUTCU", "01LATEOPENOPENOPENOPENOPEN"];
    for (const command of [cut, open]) {
      const [repo, tag] = world.store.temporaryName(command).split(":") as [string, string];
      await world.docker.getImage(id).tag({ repo, tag });
    }
    const socketPath = `${world.directory}/late.sock`;
    const store = world.openStore({ docker: openEngine({ socketPath }), unfinished: [open] });
    await expect(store.start()).rejects.toMatchObject({ code: "ENGINE_UNAVAILABLE" });
    await expect(store.list(alice)).rejects.toMatchObject({ code: "ENGINE_UNAVAILABLE" });
    symlinkSync("/var/run/docker.sock", socketPath);
    expect((await store.list(alice)).map(({ name }) => name)).toContain("base");
    await store.start();
    expect(await world.tags()).toContain(world.store.temporaryName(open));
    expect(await world.tags()).not.toContain(world.store.temporaryName(cut));
    await store.discard(open);
  });
});

test("a start succeeds while a container holds an image that was let go", async () => {
  await world.buildText(alice, "held", `FROM ${busybox}\nRUN echo held2 > /held\n`);
  const { id } = (await world.store.resolve(alice, "held"))!;
  const container = await world.docker.createContainer({ Image: id, Cmd: ["true"] });
  try {
    await world.run("image.delete", alice, { image: "held" });
    await world.openStore().start();
    expect(await world.store.inspect(id)).toBeDefined();
  } finally {
    await container.remove();
  }
  await world.openStore().start();
  expect(await world.store.inspect(id)).toBeUndefined();
});

describe("names that agents keep for themselves", () => {
  const [temporary] = world.store.temporaryName("x").split("/") as [string];

  test.each([
    [`${temporary.slice("perigee-".length)}/x`],
    [`tmp-${"0".repeat(16)}/kept`],
    [`own-${"0".repeat(16)}:${"0".repeat(64)}`],
    [marks.of(busybox).slice("perigee-".length)],
  ])("%s is no name for an image of a user called perigee", async (image) => {
    await world.write("perigee", { Dockerfile: `FROM ${busybox}\n`, "x.tar": "x" });
    const built = await failureOf(world.build("perigee", image));
    expect(built).toMatchObject({ code: "BUILD_FAILED" });
    expect(built.log).toContain("is reserved");
    expect((await failureOf(world.load("perigee", image, "x.tar"))).log).toContain("is reserved");
    expect(
      (await failureOf(world.run("edge.publish", "_operator", { image: `perigee-${image}` }))).code,
    ).toBe("IMAGE_NOT_FOUND");
  });

  test("are told from others, and a mark only from its own name", () => {
    expect(isPrivateName(`${temporaryPrefix("x")}/01:latest`)).toBe(true);
    expect(isPrivateName(marks.of("ada-x:latest"))).toBe(true);
    for (const name of [
      "perigee-tmp-x/y:latest",
      "perigee-test/busybox:latest",
      "perigee-own-1:2",
      "busybox:latest",
    ]) {
      expect(isPrivateName(name), name).toBe(false);
    }
    const names = ["ada-x:latest", "ada-x:v2", "busybox:latest", marks.of("ada-x:latest")];
    expect(unmarked(names)).toEqual(["ada-x:v2", "busybox:latest"]);
  });
});
