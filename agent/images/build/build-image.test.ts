import { mkdirSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PerigeeError } from "#protocol/errors.ts";
import type { Progress } from "#protocol/wire.ts";
import { failureOf, ImageWorld } from "#test/support/image-world.ts";
import { imageHandlers } from "../image-handlers.ts";

const world = new ImageWorld();
const { alice, bob, busybox } = world;

beforeAll(() => world.setUp());
afterAll(() => world.tearDown());

describe("a build", () => {
  test("runs without network on a public image and shows its steps", async () => {
    const seen: Progress[] = [];
    await world.buildText(
      alice,
      "plain",
      `FROM ${busybox}\nCOPY file /file\nRUN ls /sys/class/net > /net; cat /file >> /net\nCMD ["cat", "/net"]\n`,
      { onProgress: (progress) => seen.push(progress) },
    );
    expect(await world.outputOf(alice, "plain", "cat", "/net")).toBe("lo\ncontent of file\n");
    expect(seen.some(({ unit, total }) => unit === "steps" && total! >= 4)).toBe(true);
    expect(await world.store.list(alice)).toMatchObject([{ name: "plain", tag: "latest" }]);
    expect(await world.tags()).toContain(`${alice}-plain:latest`);
    expect(await world.leftovers()).toEqual([]);
  });

  test("a step has only so many processes", async () => {
    const { log } = await failureOf(
      world.buildText(
        alice,
        "bomb",
        `FROM ${busybox}\nRUN sleep 1; i=0; while [ $i -lt 1000 ]; do sleep 60 & i=$((i+1)); done\n`,
      ),
    );
    expect(log).toMatch(/can't fork|returned a non-zero code/);
  });

  test("goes through stages, by name and number, and onto an own image", async () => {
    await world.buildText(alice, "own", `FROM ${busybox}\nRUN echo own > /own\n`);
    await world.buildText(
      alice,
      "staged",
      `ARG BASE=own\nFROM ${busybox} AS First\nRUN echo first > /first\nFROM \${BASE}\nCOPY --from=first /first /a\nCOPY --from=0 /first /b\nCOPY --from=own /own /c\n`,
    );
    expect(await world.outputOf(alice, "staged", "cat", "/own", "/a", "/b", "/c")).toBe(
      "own\nfirst\nfirst\nown\n",
    );
  });

  test("does not find another user's image, an ID or a part of one", async () => {
    await world.buildText(alice, "secret", `FROM ${busybox}\nRUN echo secret > /secret\n`);
    const { id } = (await world.store.resolve(alice, "secret"))!;
    const hex = id.slice("sha256:".length);
    for (const name of [
      "secret",
      `${alice}-secret`,
      `localhost:5000/${alice}-secret`,
      id,
      hex,
      hex.slice(0, 12),
    ]) {
      for (const text of [`FROM ${name}\n`, `FROM ${busybox}\nCOPY --from=${name} /secret /\n`]) {
        const failure = await failureOf(world.buildText(bob, "thief", text));
        expect(failure).toMatchObject({ code: "BUILD_FAILED", message: "Docker build failed" });
        expect(failure.log).toContain("is not onboard");
      }
    }
    expect(await world.store.list(bob)).toEqual([]);
  });

  test("does not take cached steps from another user", async () => {
    const text = `FROM ${busybox}\nRUN head -c 16 /dev/urandom | md5sum > /key\n`;
    await world.buildText(alice, "cached", text);
    await world.buildText(bob, "cached", text);
    expect(await world.outputOf(bob, "cached", "cat", "/key")).not.toBe(
      await world.outputOf(alice, "cached", "cat", "/key"),
    );
    await world.run("image.delete", bob, { image: "cached" });
  });

  test("keeps triggers that are harmless", async () => {
    await world.buildText(
      alice,
      "trigger",
      `FROM ${busybox}\nONBUILD ADD file /triggered\nONBUILD RUN echo ran > /ran\n`,
    );
    await world.buildText(alice, "triggered", "FROM trigger\n");
    expect(await world.outputOf(alice, "triggered", "cat", "/triggered", "/ran")).toBe(
      "content of file\nran\n",
    );
    expect(await world.leftovers()).toEqual([]);
  });

  test("refuses a base image whose triggers fetch or name images", async () => {
    const triggers = [
      "ADD http://127.0.0.1:1/x /",
      "ADD $U /",
      `COPY --from=${busybox} /x /`,
      "RUN --mount=from=x ls",
    ];
    const [repo] = busybox.replace("busybox", "evil").split(":");
    const publicImages = triggers.map((_, i) => `${repo}:v${i}`);
    const other = imageHandlers(world.openStore({ publicImages }), world.deps);
    for (const [i, trigger] of triggers.entries()) {
      const container = await world.docker.createContainer({ Image: busybox });
      await container.commit({ repo, tag: `v${i}`, changes: `ENV U=http://x/y\nONBUILD ${trigger}` });
      await container.remove();
      const failure = await failureOf(
        world.buildText(alice, "evil", `FROM ${repo}:v${i}\n`, { handlers: other }),
      );
      expect(failure.log, trigger).toContain("ONBUILD trigger");
    }
  });

  test("lets no label pass for one of the agent's", async () => {
    for (const label of [
      "perigee.instance=x",
      '"perigee".run x',
      "$K=x",
      "a=b per\\igee.run=1",
      "a=b\u00a0$K=x",
      `a=b\u2003perigee.image=${world.instance}`,
    ]) {
      const failure = await failureOf(
        world.buildText(alice, "label", `FROM ${busybox}\nENV K=perigee.run\nLABEL ${label}\n`),
      );
      expect(failure.log, label).toContain("LABEL");
    }
    await world.buildText(alice, "label", `FROM ${busybox}\nLABEL version=1 "who"="me $USER"\n`);
  });

  test("takes staged files in place of a volume, and disposes of them however it ends", async () => {
    mkdirSync(world.path("staged", "ctx"), { recursive: true });
    writeFileSync(world.path("staged", "D"), `FROM ${busybox}\nCOPY file /file\n`);
    writeFileSync(world.path("staged", "ctx", "file"), "staged");
    const staged = { source: { staged: true }, dockerfile: "D", context: "ctx" } as const;
    expect(await world.build(alice, "staged", staged)).toEqual({});
    expect(await world.store.resolve(alice, "staged")).toBeDefined();
    await failureOf(world.build(alice, "staged", { ...staged, context: "none" }));
    expect(world.disposed).toBe(2);
  });

  test("takes what building takes when its files are there, and disposes of them when it does not get it", async () => {
    mkdirSync(world.path("staged"), { recursive: true });
    writeFileSync(world.path("staged", "Dockerfile"), `FROM ${busybox}\n`);
    const disposed = world.disposed;
    const acquire = async () => {
      expect(world.disposed).toBe(disposed);
      throw new PerigeeError("CANCELLED", "not now");
    };
    const build = world.build(alice, "later", { source: { staged: true }, acquire });
    await expect(build).rejects.toThrow("not now");
    expect(world.disposed).toBe(disposed + 1);
    expect(await world.store.resolve(alice, "later")).toBeUndefined();
  });

  test("without cache does every step again", async () => {
    await world.write(alice, {
      Dockerfile: `FROM ${busybox}\nRUN cat /proc/sys/kernel/random/uuid > /made\n`,
    });
    const made = async (options: { noCache?: boolean } = {}) => {
      await world.build(alice, "fresh", options);
      return world.outputOf(alice, "fresh", "cat", "/made");
    };
    const first = await made();
    expect(await made()).toBe(first);
    expect(await made({ noCache: true })).not.toBe(first);
  });

  test("stands on images by a dialect's names, in every stage, and says why a step failed", async () => {
    await world.write(alice, { Dockerfile: `FROM ${busybox}\nRUN echo theirs > /made\n` });
    await world.build(alice, "tool");
    const space = "kabuto";
    mkdirSync(world.path("staged"), { recursive: true });
    const staged = (text: string) => writeFileSync(world.path("staged", "Dockerfile"), text);
    const source = { staged: true } as const;
    staged(`FROM ${busybox}\nRUN echo its > /made\n`);
    await world.build(alice, "b1", { source, space, bases: {} });
    const bases = { "own:latest": { image: "b1" } };
    staged("FROM own AS a\nFROM tool\nCOPY --from=own /made /own\nCOPY --from=a /made /stage\n");
    await world.build(alice, "b2", { source, space, bases });
    const both = await world.outputOf(`${alice}.kabuto`, "b2", "cat", "/made", "/own", "/stage");
    expect(both).toBe("theirs\nits\nits\n");
    const reasonOf = async (text: string) => {
      staged(text);
      const error = await world
        .build(alice, "b3", { source, space, bases })
        .catch((thrown: unknown) => thrown);
      return (error as PerigeeError).data?.reason;
    };
    expect(await reasonOf(`FROM ${busybox}\nRUN exit 3\n`)).toMatch(/returned a non-zero code: 3$/);
    expect(await reasonOf("FROM own\nCOPY --from=none /a /b\n")).toContain('image "none" is not onboard');
    expect(await reasonOf("FROM own\nADD http://example.com/a /\n")).toContain("ADD");
  });

  test("returns the end of its log when it is asked for", async () => {
    await world.write(alice, { Dockerfile: `FROM ${busybox}\nRUN echo said\n` });
    const { logTail } = await world.build(alice, "told", { log: true });
    expect(logTail).toContain("said\n");
    expect(logTail!.at(-1)).toMatch(/^Successfully tagged told:latest/);
  });

  test("in a space makes an image that only the space has", async () => {
    await world.write(alice, { Dockerfile: `FROM ${busybox}\nRUN echo outside\n` });
    await world.build(alice, "spaced");
    mkdirSync(world.path(alice, "default.kabuto"), { recursive: true });
    writeFileSync(world.path(alice, "default.kabuto", "Dockerfile"), `FROM ${busybox}\nRUN echo inside\n`);
    await world.build(alice, "spaced", { space: "kabuto" });
    const outside = await world.store.resolve(alice, "spaced");
    const inside = await world.store.resolve(`${alice}.kabuto`, "spaced");
    expect(inside?.reference).toBe(`${alice}.kabuto-spaced:latest`);
    expect(inside?.id).not.toBe(outside?.id);
    for (const name of [`${alice}.kabuto-spaced`, `kabuto-spaced`, `${alice}-spaced`]) {
      expect((await world.store.resolve(alice, name))?.id).not.toBe(inside?.id);
      expect((await world.store.resolve(`${alice}.unik`, name))?.id).toBeUndefined();
    }
    const images = async (space?: string) => {
      const { images } = await world.run("image.list", alice, { space });
      return images.filter(({ name }) => name === "spaced").map(({ id }) => id);
    };
    expect(await images()).toEqual([outside!.id]);
    expect(await images("kabuto")).toEqual([inside!.id]);
    expect(await images("unik")).toEqual([]);
    await expect(world.run("image.delete", alice, { image: "spaced", space: "unik" })).rejects.toMatchObject({
      code: "IMAGE_NOT_FOUND",
    });
    await world.run("image.delete", alice, { image: "spaced", space: "kabuto" });
    expect(await images("kabuto")).toEqual([]);
    expect(await images()).toEqual([outside!.id]);
  });

  test("two at once leave each other's steps alone, and what a third cleans too", async () => {
    const steps = Array.from({ length: 6 }, (_, n) => `RUN sleep 0.2; echo ${n} > /file${n}`).join("\n");
    const both = ["one", "two"].map((name) =>
      world.buildText(alice, name, `FROM ${busybox}\nRUN echo ${name}-${world.id}\n${steps}\n`),
    );
    let done = false;
    const all = Promise.all(both).finally(() => {
      done = true;
    });
    while (!done) {
      await world.store.discard("01OTHER0000000000000000000");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await all;
    expect(await world.store.resolve(alice, "one")).toBeDefined();
    expect(await world.store.resolve(alice, "two")).toBeDefined();
    expect(await world.leftovers()).toEqual([]);
  });

  test("gives a name to the newer image and removes the older one", async () => {
    await world.buildText(alice, "again", `FROM ${busybox}\nRUN echo 1 > /v\n`);
    const first = await world.store.resolve(alice, "again");
    await world.buildText(alice, "again", `FROM ${busybox}\nRUN echo 2 > /v\n`);
    expect(await world.outputOf(alice, "again", "cat", "/v")).toBe("2\n");
    expect(await world.store.inspect(first!.id)).toBeUndefined();
  });
});
