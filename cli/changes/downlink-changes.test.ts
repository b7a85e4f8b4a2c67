import { mkdir, readdir, readFile, rename, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { pack } from "tar-stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Stage } from "../testing/cli-process.ts";
import type { Reply } from "../testing/ground.ts";

const DOWNLINK = "GET /em/files/downlink";
const ARGUMENTS = ["downlink", "results", "--changed", "--no-wait", "--json"];

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open();
  await stage.logIn();
});
afterEach(() => stage.close());

/** What the edge answers: `files` by path, one that ends in `/` is a directory. */
async function changes(listing: string, since: string | null, gone: string[], files: Record<string, string>) {
  const tar = pack();
  tar.entry({ name: ".perigee-changes.json" }, JSON.stringify({ since, listing, gone }));
  for (const [name, content] of Object.entries(files)) {
    if (name.endsWith("/")) tar.entry({ name, type: "directory" });
    else tar.entry({ name }, content);
  }
  tar.finalize();
  const headers = { "Content-Type": "application/x-tar", ETag: `"${listing}"`, "Perigee-Listing": listing };
  return { headers, body: await buffer(tar) } satisfies Reply;
}

const run = (...more: string[]) => stage.run([...ARGUMENTS, ...more]);
const here = async () => (await readdir(join(stage.dir, "results"), { recursive: true })).sort();
const read = (name: string) => readFile(join(stage.dir, "results", name), "utf8");
const asked = () => stage.ground.calls(DOWNLINK).map(({ headers }) => headers["perigee-since"]);

test("a directory follows the edge; what is gone goes when that is asked for, also later", async () => {
  stage.ground.on(
    DOWNLINK,
    await changes("L1", null, [], {
      a: "1",
      b: "1",
      "sub/": "",
      "sub/c": "1",
      ".perigee-changes.json": "own",
    }),
    await changes("L2", "L1", ["sub/c", "sub/", "b"], { a: "2", "new/": "", "new/d": "2" }),
    await changes("L3", "L2", [], {}),
  );
  expect((await run()).code).toBe(0);
  expect(await here()).toEqual([".perigee-changes.json", "a", "b", "sub", "sub/c"]);
  expect(await read(".perigee-changes.json")).toBe("own");
  await writeFile(join(stage.dir, "results/mine"), "not from the edge");
  const second = await run();
  expect([second.code, JSON.parse(second.stdout).data]).toEqual([
    0,
    expect.objectContaining({ since: "L1", listing: "L2", files: 1 + 1, gone: 3, removed: 0 }),
  ]);
  expect(await read("a")).toBe("2");
  expect(await here()).toContain("sub/c");
  expect(JSON.parse((await run("--delete")).stdout).data).toMatchObject({ gone: 0, removed: 3 });
  expect(await here()).toEqual([".perigee-changes.json", "a", "mine", "new", "new/d"]);
  expect(asked()).toEqual(["none", "L1", "L2"]);
  expect((await readdir(stage.dir)).filter((name) => name.includes("perigee-"))).toEqual([]);
});

test("a hostile answer reaches nothing outside of the directory", async () => {
  await mkdir(join(stage.dir, "outside"));
  await writeFile(join(stage.dir, "outside/x"), "safe");
  const hostile = ["../outside/x", "link/x", "/etc/hostname"];
  stage.ground.on(
    DOWNLINK,
    await changes("L1", null, [], { a: "1" }),
    await changes("L2", "L1", hostile, {}),
    await changes("L2", "L1", ["link/x"], { "link/": "", "link/x": "new" }),
  );
  await run();
  await symlink("../outside", join(stage.dir, "results/link"));
  expect((await run("--delete")).code).not.toBe(0);
  expect((await run("--delete")).code).toBe(0);
  expect(await readFile(join(stage.dir, "outside/x"), "utf8")).toBe("safe");
  expect(await read("link/x")).toBe("new");
  // the answer that was refused was not taken for what is here
  expect(asked()).toEqual(["none", "L1", "L1"]);
});

test("a directory that is another one, or was there before, is not written into", async () => {
  stage.ground.on(
    DOWNLINK,
    await changes("L1", null, [], { a: "1" }),
    await changes("L2", null, [], { a: "2" }),
  );
  await mkdir(join(stage.dir, "results"));
  expect((await run()).code).toBe(1);
  await rename(join(stage.dir, "results"), join(stage.dir, "away"));
  expect((await run()).code).toBe(0);
  await rename(join(stage.dir, "results"), join(stage.dir, "kept"));
  expect((await run()).code).toBe(0);
  expect(asked()).toEqual(["none", "none"]);
  expect((await stat(join(stage.dir, "kept/a"))).isFile()).toBe(true);
});
