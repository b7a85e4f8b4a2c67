import { execFileSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  fchmodSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { markUplinked, UPLINK_MODE } from "#agent/files/uplink-mark.ts";
import { PerigeeError } from "#protocol/errors.ts";
import type { Progress } from "#protocol/wire.ts";
import { failureOf, ImageWorld } from "#test/support/image-world.ts";
import { imageHandlers } from "../image-handlers.ts";
import { IMAGE_LABEL } from "../image-labels.ts";

const world = new ImageWorld();
const { alice, bob, busybox } = world;

beforeAll(() => world.setUp());
afterAll(() => world.tearDown());

async function outputOf(user: string, image: string, ...command: string[]): Promise<string> {
  const found = await world.store.resolve(user, image);
  if (!found) throw new Error(`${image} was not found`);
  return world.output(found.id, command);
}

/** Containers and nameless images that builds of this world left. */
async function leftovers(): Promise<unknown[]> {
  const label = [`${IMAGE_LABEL}=${world.instance}`];
  const containers = await world.docker.listContainers({ all: true, filters: { label } });
  const images = await world.docker.listImages({ filters: { label, dangling: ["true"] } });
  return [...containers.map((c) => c.Command), ...images.map((i) => i.Id)];
}

describe("a build", () => {
  test("runs without network on a public image and shows its steps", async () => {
    const seen: Progress[] = [];
    await world.buildText(
      alice,
      "plain",
      `FROM ${busybox}\nCOPY file /file\nRUN ls /sys/class/net > /net; cat /file >> /net\nCMD ["cat", "/net"]\n`,
      { onProgress: (progress) => seen.push(progress) },
    );
    expect(await outputOf(alice, "plain", "cat", "/net")).toBe("lo\ncontent of file\n");
    expect(seen.some(({ unit, total }) => unit === "steps" && total! >= 4)).toBe(true);
    expect(await world.store.list(alice)).toMatchObject([{ name: "plain", tag: "latest" }]);
    expect(await world.tags()).toContain(`${alice}-plain:latest`);
    expect(await leftovers()).toEqual([]);
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

  test("is stopped when its steps write more than the quota, though each removes what it wrote", async () => {
    world.quota = 64 * 1024 ** 2;
    try {
      const begun = `FROM ${busybox}\nRUN dd if=/dev/zero of=/big bs=1M count=100 && sleep 600 && rm /big\n`;
      const { code } = await failureOf(world.buildText(alice, "fat", begun));
      expect(code).toBe("QUOTA_EXCEEDED");
    } finally {
      world.quota = 1024 ** 4;
    }
    expect(await leftovers()).toEqual([]);
  });

  test("goes through stages, by name and number, and onto an own image", async () => {
    await world.buildText(alice, "own", `FROM ${busybox}\nRUN echo own > /own\n`);
    await world.buildText(
      alice,
      "staged",
      `ARG BASE=own\nFROM ${busybox} AS First\nRUN echo first > /first\nFROM \${BASE}\nCOPY --from=first /first /a\nCOPY --from=0 /first /b\nCOPY --from=own /own /c\n`,
    );
    expect(await outputOf(alice, "staged", "cat", "/own", "/a", "/b", "/c")).toBe("own\nfirst\nfirst\nown\n");
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
    expect(await outputOf(bob, "cached", "cat", "/key")).not.toBe(
      await outputOf(alice, "cached", "cat", "/key"),
    );
    await world.run("image.delete", bob, { image: "cached" });
  });

  test("adds local files and nothing else", async () => {
    await world.buildText(alice, "adds", `FROM ${busybox}\nARG F=file\nADD $F /one/\nADD ["file", "/two"]\n`);
    expect(await outputOf(alice, "adds", "cat", "/one/file", "/two")).toBe(
      "content of file\ncontent of file\n",
    );
    for (const line of [
      "ADD http://127.0.0.1:1/x /",
      "add --chown=1:1 HTTPS://127.0.0.1:1/x /",
      'ADD ["http://127.0.0.1:1/x", "/"]',
      "ENV U=http://127.0.0.1:1/x\nADD $U /",
      `ARG U="http://127.0.0.1:1"\nADD \${U}/x /`,
      "ADD git@127.0.0.1:x.git /",
      "ADD https://127.0.0.1:1/x.git#main /",
      "ONBUILD ADD http://127.0.0.1:1/x /",
    ]) {
      const failure = await failureOf(world.buildText(alice, "remote", `FROM ${busybox}\n${line}\n`));
      expect(failure.log, line).toContain("there is no network");
    }
    // what cannot be seen before comes to a local path all the same
    const hidden = `FROM ${busybox}\nENV H="ht" T="tp://127.0.0.1:1/x"\nADD \${H:+$H}$T /\n`;
    expect((await failureOf(world.buildText(alice, "remote", hidden))).code).toBe("BUILD_FAILED");
  });

  test("keeps triggers that are harmless", async () => {
    await world.buildText(
      alice,
      "trigger",
      `FROM ${busybox}\nONBUILD ADD file /triggered\nONBUILD RUN echo ran > /ran\n`,
    );
    await world.buildText(alice, "triggered", "FROM trigger\n");
    expect(await outputOf(alice, "triggered", "cat", "/triggered", "/ran")).toBe("content of file\nran\n");
    expect(await leftovers()).toEqual([]);
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
    expect(await leftovers()).toEqual([]);
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
      return outputOf(alice, "fresh", "cat", "/made");
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
    const both = await outputOf(`${alice}.kabuto`, "b2", "cat", "/made", "/own", "/stage");
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
    expect(await leftovers()).toEqual([]);
  });

  test("does not follow links that a pod planted", async () => {
    await world.write(bob, {
      "linked/inside": "inside",
      "linked/D": `FROM ${busybox}\nCOPY . /all\n`,
      Real: "FROM scratch",
    });
    const link = (target: string, name: string) => symlinkSync(target, world.path(bob, "default", name));
    link("/etc", "linked/etc");
    link("/etc/passwd", "linked/passwd");
    link("../../outside", "linked/up");
    link("inside", "linked/kept");
    link("/etc", "outside");
    link("Real", "Dockerfile-link");
    await world.build(bob, "linked", { dockerfile: "linked/D", context: "linked" });
    // links are text in the context and in the image
    const links = "cd /all && ls -A && for l in etc passwd up kept; do readlink $l; done";
    expect(await outputOf(bob, "linked", "sh", "-c", links)).toBe(
      "D\netc\ninside\nkept\npasswd\nup\n/etc\n/etc/passwd\n../../outside\ninside\n",
    );
    // and lead nowhere but into the context
    await world.write(bob, { "linked/D": `FROM ${busybox}\nCOPY passwd /p\n` });
    const failure = await failureOf(world.build(bob, "l", { context: "linked", dockerfile: "linked/D" }));
    expect(failure.log).toMatch(/passwd/);
    await world.write(bob, { "linked/up2": "", "linked/D": `FROM ${busybox}\nCOPY up /p\n` });
    expect(
      (await failureOf(world.build(bob, "l", { context: "linked", dockerfile: "linked/D" }))).log,
    ).toMatch(/up/);
    expect(
      (await failureOf(world.build(bob, "l", { context: "outside", dockerfile: "linked/D" }))).log,
    ).toContain("link");
    expect(
      (await failureOf(world.build(bob, "l", { context: "linked", dockerfile: "Dockerfile-link" }))).log,
    ).toContain("link");
    expect(
      (await failureOf(world.build(bob, "l", { context: "linked", dockerfile: "outside/passwd" }))).log,
    ).toContain("link");
  });

  test("honours .dockerignore, which may leave the Dockerfile out", async () => {
    await world.write(bob, {
      "ign/.dockerignore": "*\n!keep\n!deep/in/side\n",
      "ign/keep": "",
      "ign/drop": "",
      "ign/deep/in/side": "",
      "ign/deep/out": "",
      "ign/Dockerfile": `FROM ${busybox}\nCOPY . /all\n`,
    });
    await world.write(bob, { "ign/empty/not": "" });
    await world.build(bob, "ignoring", { dockerfile: "ign/Dockerfile", context: "ign" });
    expect(await outputOf(bob, "ignoring", "sh", "-c", "cd /all && find . | sort")).toBe(
      ".\n./deep\n./deep/in\n./deep/in/side\n./keep\n",
    );
  });

  test("gets its context as it is on disk: modes, links, names; and says what it does not get", async () => {
    await world.write(bob, { "as/f": "f", "as/plain/f": "", "as/D": `FROM ${busybox}\nCOPY . /all\n` });
    const at = (name: string) => world.path(bob, "default", "as", name);
    chmodSync(at("f"), 0o666);
    mkdirSync(at("tmp"));
    chmodSync(at("tmp"), 0o1777);
    linkSync(at("f"), at("hard"));
    symlinkSync("/bin/busybox", at("abs"));
    for (const byte of [0xe8, 0xe9]) {
      writeFileSync(Buffer.concat([Buffer.from(at("caf")), Buffer.from([byte])]), String(byte));
    }
    execFileSync("mkfifo", [at("pipe")]);
    const options = { dockerfile: "as/D", context: "as" };
    await world.build(bob, "as", options);
    const shown = "cd /all && stat -c '%a %u:%g %n' f tmp hard && readlink abs && cat caf* && ! test -e pipe";
    expect(await outputOf(bob, "as", "sh", "-c", shown)).toBe(
      "666 0:0 f\n1777 0:0 tmp\n666 0:0 hard\n/bin/busybox\n232233",
    );
    const many = `FROM ${busybox}\nRUN seq 300 && exit 7\n`;
    await world.write(bob, { "as/D": many });
    const lines = (await failureOf(world.build(bob, "as", options))).log.split("\n").slice(0, -1);
    expect(lines).toHaveLength(100);
    expect(lines[0]).toBe('left out of the build context: neither a file nor a directory: "pipe"');
    expect(lines.at(-1)).toContain("returned a non-zero code: 7");
  });

  test("what came by an uplink is not world-writable in the image, unless a pod has said so", async () => {
    await world.write(bob, { "up/d/sent": "", "up/d/own": "", "up/D": `FROM ${busybox}\nCOPY d /d\n` });
    for (const name of ["up/d", "up/d/sent"]) {
      const fd = openSync(world.path(bob, "default", name), "r");
      markUplinked(fd);
      fchmodSync(fd, UPLINK_MODE);
      closeSync(fd);
    }
    chmodSync(world.path(bob, "default", "up/d/own"), 0o777);
    await world.build(bob, "up", { dockerfile: "up/D", context: "up" });
    expect(await outputOf(bob, "up", "stat", "-c", "%a %n", "/d", "/d/own", "/d/sent")).toBe(
      "755 /d\n777 /d/own\n755 /d/sent\n",
    );
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
    expect(await leftovers()).toEqual([]);
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
    expect(await leftovers()).toEqual([]);
  });

  test("gives a name to the newer image and removes the older one", async () => {
    await world.buildText(alice, "again", `FROM ${busybox}\nRUN echo 1 > /v\n`);
    const first = await world.store.resolve(alice, "again");
    await world.buildText(alice, "again", `FROM ${busybox}\nRUN echo 2 > /v\n`);
    expect(await outputOf(alice, "again", "cat", "/v")).toBe("2\n");
    expect(await world.store.inspect(first!.id)).toBeUndefined();
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
    expect((await world.tags()).filter((tag) => tag.includes("tmp"))).toEqual([]);
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
    expect(await leftovers()).toEqual([]);
  });
});
