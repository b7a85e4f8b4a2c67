import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { pack } from "tar-stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PerigeeError } from "#protocol/errors.ts";
import type { ImageCompile } from "#protocol/image-compile.ts";
import { ImageWorld, type RunOptions } from "#test/support/image-world.ts";
import { makeNodeImage } from "#test/support/node-image.ts";
import { Directory } from "../files/directory.ts";
import { type CompileDeps, compileImage } from "./compile-image.ts";

const world = new ImageWorld();
const { alice, busybox } = world;
let nodejs: string;

beforeAll(async () => {
  await world.setUp();
  world.room = 2 ** 40;
  nodejs = (await world.docker.getImage(await makeNodeImage(world.docker)).inspect()).Id;
});
afterAll(() => world.tearDown());

type File = { content: string | Buffer; mode?: number };

async function stage(files: Record<string, string | File>): Promise<void> {
  const packed = pack();
  for (const [name, file] of Object.entries(files)) {
    const { content, mode = 0o644 } = typeof file === "string" ? { content: file } : file;
    packed.entry({ name, mode, size: content.length }, content as string);
  }
  packed.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of packed) chunks.push(chunk as Buffer);
  const staged = world.path("staged");
  rmSync(staged, { recursive: true, force: true });
  mkdirSync(staged, { recursive: true });
  writeFileSync(`${staged}/sources.tar.gz`, Buffer.concat(chunks));
}

async function compile(
  files: Record<string, string | File>,
  over: Partial<ImageCompile> & Pick<ImageCompile, "language" | "image">,
  options: RunOptions & Pick<CompileDeps, "keepFailed"> = {},
) {
  await stage(files);
  const input = { base: "docker", provider: "docker", space: "unik", mountPoints: [], args: "", ...over };
  const handler = compileImage(world.store, {
    ...world.deps,
    toolchains: { nodejs },
    hasProvider: (provider) => provider === "docker",
    keepFailed: options.keepFailed ?? (async () => expect.unreachable("nothing is to be kept")),
  });
  const handlers = { ...world.handlers, "image.compile": handler };
  return world.run("image.compile", alice, input, { ...options, handlers });
}

const owner = `${alice}.unik`;
const output = async (image: string) => {
  const container = await world.docker.createContainer({
    Image: (await world.store.resolve(owner, image))!.id,
    HostConfig: { NetworkMode: "none" },
    Tty: true,
  });
  await container.start();
  await container.wait();
  const said = String(await container.logs({ stdout: true, stderr: true }));
  await container.remove();
  return said.trim();
};

describe("image.compile", () => {
  test("nodejs: starts the main file in the sources' root, with both kinds of arguments", async () => {
    const made = await compile(
      {
        "manifest.yaml": "main_file: main.js\nruntime_args: --title 'a b'\nports: [80, 9000]\n",
        "main.js":
          "console.log('started', JSON.stringify([process.cwd(), process.title, require('fs').existsSync('/data'), ...process.argv.slice(2)]))",
      },
      { language: "nodejs", image: "web", mountPoints: ["/data"], args: 'one "two three"' },
    );
    expect(made).toEqual({ bytes: expect.any(Number), ports: [80, 9000] });
    expect(await output("web")).toBe('started ["/app","a b",true,"one","two three"]');
    expect(await world.leftovers()).toEqual([]);
  });

  test("native: starts the only executable at the root; nothing of another base is in the image", async () => {
    const content = readFileSync("/bin/busybox");
    await compile(
      { busybox: { content, mode: 0o755 }, "data.txt": "data" },
      {
        ...{ language: "native", image: "tool", args: "cat data.txt" },
      },
    );
    expect(await output("tool")).toBe("data");
  });

  test("native: a Dockerfile finds the user's images and the public ones; what it replaces goes once it is there", async () => {
    const files = {
      Dockerfile: `FROM ${busybox}\nCOPY x /x\nEXPOSE 53/udp 70\nENTRYPOINT ["cat"]\n`,
      x: "old",
    };
    expect(await compile(files, { language: "native", image: "old", args: "/x" })).toMatchObject({
      ports: [70],
    });
    await compile(
      { Dockerfile: "FROM named\nRUN echo new > /x\n" },
      {
        ...{ language: "native", image: "new", args: "/x", replaces: { image: "old", pods: ["p1"] } },
        bases: { "named:latest": { image: "old" } },
      },
    );
    expect(await output("new")).toBe("new");
    expect(await world.store.resolve(owner, "old")).toBeUndefined();
    expect(world.removedPods).toEqual([`${alice}/p1`]);
  });

  test("sources that do not compile are BUILD_FAILED with their log, and what was to be replaced stays", async () => {
    await compile({ Dockerfile: `FROM ${busybox}\n` }, { language: "native", image: "kept" });
    const failing = compile(
      { Dockerfile: `FROM ${busybox}\nRUN echo because; false\n` },
      { language: "native", image: "bad", replaces: { image: "kept", pods: [] } },
    );
    await expect(failing).rejects.toMatchObject({
      code: "BUILD_FAILED",
      data: { log_tail: expect.arrayContaining(["because\n"]), reason: expect.any(String) },
    });
    expect(await world.store.resolve(owner, "kept")).toBeDefined();
    expect(await world.leftovers()).toEqual([]);
  });

  describe("noCleanup", () => {
    const failing = { Dockerfile: `FROM ${busybox}\nRUN echo because; false\n`, "inner/x": "content" };
    const asked = { language: "native", image: "bad", noCleanup: true };
    const kept = () => world.path("kept");
    const read = (name: string) => readFileSync(`${kept()}/${name}`, "utf8");
    const keepFailed: CompileDeps["keepFailed"] = async ({ user, from, name }) => {
      expect(user).toBe(alice);
      rmSync(kept(), { recursive: true, force: true });
      using target = Directory.open(world.path("."));
      from.rename(name, target, "kept");
    };

    test("keeps the sources and the log of a build that fails", async () => {
      await expect(compile(failing, asked, { keepFailed })).rejects.toMatchObject({ code: "BUILD_FAILED" });
      expect(read("sources/inner/x")).toBe("content");
      expect(read("log")).toMatch(/^because\n(.*\n)*failed: .+\n$/m);
      expect(await world.leftovers()).toEqual([]);
    });

    test("keeps sources that the compiler refuses", async () => {
      const refused = compile({ y: "" }, { ...asked, language: "nodejs" }, { keepFailed });
      await expect(refused).rejects.toMatchObject({ code: "SOURCES_REFUSED" });
      expect(read("log")).toMatch(/^failed: .*main_file/);
      expect(existsSync(`${kept()}/sources/y`)).toBe(true);
    });

    test("keeps nothing of a build that succeeds, is not asked to, or is cancelled", async () => {
      await compile({ Dockerfile: `FROM ${busybox}\n` }, { ...asked, image: "good" });
      await expect(compile(failing, { ...asked, noCleanup: false })).rejects.toMatchObject({
        code: "BUILD_FAILED",
      });
      const stop = new AbortController();
      const hanging = compile({ Dockerfile: `FROM ${busybox}\nRUN sleep 1000\n` }, asked, {
        signal: stop.signal,
      });
      hanging.catch(() => undefined);
      // its container is there
      while ((await world.leftovers()).length === 0) await sleep(20);
      stop.abort(new PerigeeError("CANCELLED", "cancelled"));
      await expect(hanging).rejects.toMatchObject({ code: "CANCELLED" });
    });

    test("says in the log why it keeps nothing, and the failure stays what it is", async () => {
      const failed = compile(failing, asked, {
        keepFailed: async () => {
          throw new PerigeeError("QUOTA_EXCEEDED", "too much");
        },
      });
      await expect(failed).rejects.toMatchObject({
        code: "BUILD_FAILED",
        data: {
          log_tail: expect.arrayContaining(["no_cleanup: the sources are not kept: too much\n", "because\n"]),
        },
      });
    });
  });

  test.each<[string, Record<string, string>, RegExp]>([
    ["aliases", { "manifest.yaml": "main_file: &a x.js\nbinary_name: *a\n" }, /manifest\.yaml: /],
    ["a main file outside", { "manifest.yaml": "main_file: ../../x\n" }, /main_file: must be/],
    ["no main file", { "x.js": "" }, /main_file: is needed/],
    ["a field of the wrong kind", { "manifest.yaml": "main_file: x\nports: many\n" }, /ports: /],
  ])("refuses a manifest with %s", async (_, files, message) => {
    await expect(compile(files, { language: "nodejs", image: "no" })).rejects.toMatchObject({
      code: "SOURCES_REFUSED",
      message: expect.stringMatching(message),
    });
    expect(await world.store.resolve(owner, "no")).toBeUndefined();
  });

  test.each([
    { language: "c" },
    { language: "nodejs", provider: "qemu" },
    { language: "nodejs", provider: "kubernetes" },
    { language: "nodejs", base: "linux" },
  ])("what the edge has no compiler or no tools for is NOT_SUPPORTED: $language $provider", async (over) => {
    await expect(compile({ "x.c": "" }, { image: "no", ...over })).rejects.toMatchObject({
      code: "NOT_SUPPORTED",
    });
  });
});
