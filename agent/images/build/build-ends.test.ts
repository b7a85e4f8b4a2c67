import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PerigeeError } from "#protocol/errors.ts";
import { failureOf, ImageWorld } from "#test/support/image-world.ts";
import { imageHandlers } from "../image-handlers.ts";
import { IMAGE_LABEL } from "../image-labels.ts";

const world = new ImageWorld();
const { alice, bob, busybox } = world;

beforeAll(() => world.setUp());
afterAll(() => world.tearDown());

describe("the end of a build", () => {
  test("is stopped when its steps write more than the quota, though each removes what it wrote", async () => {
    world.quota = 64 * 1024 ** 2;
    try {
      const begun = `FROM ${busybox}\nRUN dd if=/dev/zero of=/big bs=1M count=100 && sleep 600 && rm /big\n`;
      const { code } = await failureOf(world.buildText(alice, "fat", begun));
      expect(code).toBe("QUOTA_EXCEEDED");
    } finally {
      world.quota = 1024 ** 4;
    }
    expect(await world.leftovers()).toEqual([]);
  });

  test("fails with the last 100 lines of its log and leaves nothing", async () => {
    const failure = await failureOf(
      world.buildText(
        alice,
        "failing",
        `FROM ${busybox}\nRUN for i in $(seq 1 300); do echo line $i; done; exit 7\n`,
      ),
    );
    expect(failure).toMatchObject({ code: "BUILD_FAILED", message: "Docker build failed" });
    const lines = failure.log.split("\n").slice(0, -1);
    expect(lines).toHaveLength(100);
    expect(lines.at(-1)).toContain("returned a non-zero code: 7");
    expect(failure.log).toContain("line 300\n");
    expect(await world.store.resolve(alice, "failing")).toBeUndefined();
    expect(await world.leftovers()).toEqual([]);
  });

  test("says which path is missing, and no path of the host", async () => {
    await world.write(alice, { "c/x": "x", "c/Dockerfile": `FROM ${busybox}\nCOPY nothing /\n` });
    const build = (dockerfile: string, context: string) =>
      failureOf(world.build(alice, "missing", { dockerfile, context }));
    expect((await build("c/Dockerfile", "nowhere")).log).toBe(
      'unable to prepare context: path "nowhere" not found\n',
    );
    expect((await build("c/Dockerfile.space", "c")).log).toBe(
      "failed to read dockerfile: open c/Dockerfile.space: no such file or directory\n",
    );
    expect((await build("c", "c")).log).toContain("is a directory");
    const failure = await build("c/Dockerfile", "c");
    expect(failure.log).toContain("nothing");
    expect(failure.log).not.toMatch(/docker-builder|\/var\/lib|\/tmp\//);
    const elsewhere = await failureOf(
      world.run("image.build", alice, {
        source: { volume: "unused" },
        dockerfile: "D",
        context: "c",
        image: "x",
      }),
    );
    expect(elsewhere.log).toContain('path "c" not found');
  });

  test("stops in the engine when it is cancelled", async () => {
    const controller = new AbortController();
    const reason = new PerigeeError("CANCELLED", "cancelled");
    const building = world.buildText(alice, "hanging", `FROM ${busybox}\nRUN echo begun; sleep 1000\n`, {
      signal: controller.signal,
    });
    const rejected = expect(building).rejects.toBe(reason);
    const filters = { label: [`${IMAGE_LABEL}=${world.instance}`], status: ["running"] };
    await expect
      .poll(async () => (await world.docker.listContainers({ filters })).length, { timeout: 90_000 })
      .toBe(1);
    controller.abort(reason);
    await rejected;
    expect(await world.leftovers()).toEqual([]);
    expect((await world.tags()).filter((tag) => tag.includes("tmp") || tag.includes("hanging"))).toEqual([]);
  });

  test("is cancelled before the engine reads its context, and nobody else hears of it", async () => {
    const controller = new AbortController();
    const reason = new PerigeeError("CANCELLED", "cancelled");
    const closed = Promise.withResolvers<void>();
    const slow = new Proxy(world.store, {
      get(store, name) {
        if (name !== "build") {
          const value = Reflect.get(store, name);
          return typeof value === "function" ? value.bind(store) : value;
        }
        return async ({ context }: Parameters<typeof store.build>[0]) => {
          context.once("close", closed.resolve);
          controller.abort(reason);
          await closed.promise;
          throw reason;
        };
      },
    });
    const handlers = imageHandlers(slow, world.deps);
    const options = { signal: controller.signal, handlers };
    const building = world.buildText(alice, "early", `FROM ${busybox}\n`, options);
    await expect(building).rejects.toBe(reason);
  });

  test("a build that hangs until its deadline has failed, with its log", async () => {
    const controller = new AbortController();
    const building = failureOf(
      world.buildText(alice, "hanging", `FROM ${busybox}\nRUN echo begun; sleep 1000\n`, {
        signal: controller.signal,
      }),
    );
    const filters = { label: [`${IMAGE_LABEL}=${world.instance}`], status: ["running"] };
    await expect
      .poll(async () => (await world.docker.listContainers({ filters })).length, { timeout: 90_000 })
      .toBe(1);
    controller.abort(new PerigeeError("DEADLINE_EXCEEDED", "The command ran into its deadline of 1800 s"));
    const failure = await building;
    expect(failure.code).toBe("BUILD_FAILED");
    expect(failure.log).toContain("deadline of 1800 s");
    expect(await world.leftovers()).toEqual([]);
  });

  test("goes on after the commit when it was cut there, and begins again before it", async () => {
    // no step that another test may have left in the cache: an image that is made again is another one
    const text = `FROM ${busybox}\nRUN echo cut; head -c 16 /dev/urandom | md5sum > /key\n`;
    const command = "01CUT0000000000000000000AB";
    const cut = new Error("cut");
    const cutting = new Proxy(world.store, {
      get(store, name) {
        if (name === "commit") return () => Promise.reject(cut);
        const value = Reflect.get(store, name);
        return typeof value === "function" ? value.bind(store) : value;
      },
    });
    await world.write(alice, { "cut/Dockerfile": text });
    const build = (options: object) =>
      world.build(alice, "cut", { dockerfile: "cut/Dockerfile", context: "cut", command, ...options });
    await expect(build({ handlers: imageHandlers(cutting, world.deps) })).rejects.toBe(cut);
    expect(await world.store.resolve(alice, "cut")).toBeUndefined();
    const note = world.notes.findLast(({ step }) => step === "commit")!;
    await build({ notes: [note] });
    expect((await world.store.resolve(alice, "cut"))?.id).toBe((note.detail as { id: string }).id);
    await build({ notes: [] });
    const names = (await world.tags()).filter((tag) => tag.includes("tmp"));
    expect(names.filter((tag) => !tag.includes("/labelled:"))).toEqual([]);
  });

  test("ends at the quota and at the free-space floor", async () => {
    const text = `FROM ${busybox}\nRUN dd if=/dev/zero of=/big bs=1M count=8\n`;
    const used = await world.store.usage(bob);
    try {
      world.quota = used + 4 * 1024 ** 2;
      expect((await failureOf(world.buildText(bob, "big", text))).code).toBe("QUOTA_EXCEEDED");
      world.quota = used + 12 * 1024 ** 2;
      await world.buildText(bob, "big", text);
      world.quota = used;
      expect((await failureOf(world.buildText(bob, "big2", text))).code).toBe("QUOTA_EXCEEDED");
      world.quota = 1024 ** 4;
      world.room = 0;
      expect((await failureOf(world.buildText(bob, "big2", text))).code).toBe("STORAGE_FULL");
    } finally {
      world.quota = 1024 ** 4;
      world.room = 1;
    }
    expect(await world.leftovers()).toEqual([]);
  });
});
