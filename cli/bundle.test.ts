import { spawn } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  lchownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { VERSION } from "#protocol/version.ts";
import { CLI_CACHE, currentBundle, freshBundle } from "../bin/cli-bundle.mjs";

const ROOT = join(import.meta.dirname, "..");
const LAUNCHER = "bin/perigee.mjs";
const NOBODY = 65_534;

/** A tree of its own, as a clone is after `npm ci`. */
let tree: string;
beforeEach(() => {
  tree = mkdtempSync(join(tmpdir(), "perigee-bundle-"));
  chmodSync(tree, 0o755);
  for (const path of ["package.json", "bin", "cli", "protocol", "scripts/cli-bundle.ts"]) {
    cpSync(join(ROOT, path), join(tree, path), { recursive: true });
  }
  for (const path of ["lambdas", "agent"]) symlinkSync(join(ROOT, path), join(tree, path));
  install(readdirSync(join(ROOT, "node_modules")).filter((name) => !name.startsWith(".")));
});
afterEach(() => rmSync(tree, { recursive: true, force: true }));

function install(packages: string[]): void {
  const modules = join(tree, "node_modules");
  rmSync(modules, { recursive: true, force: true });
  mkdirSync(modules);
  for (const name of packages)
    symlinkSync(realpathSync(join(ROOT, "node_modules", name)), join(modules, name));
}

/** Node and what the sources import, where another user finds it too. */
function forAnybody(): string {
  const node = join(tree, "node");
  try {
    linkSync(realpathSync(process.execPath), node);
  } catch {
    // another file system
    cpSync(realpathSync(process.execPath), node);
  }
  for (const path of ["node_modules/commander", "lambdas", "agent"]) {
    const link = join(tree, path);
    const from = realpathSync(link);
    rmSync(link);
    cpSync(from, link, { recursive: true });
  }
  return node;
}

async function perigee(
  args: string[],
  as?: { node: string; uid: number },
): Promise<{ code: number | null; text: string }> {
  const child = spawn(as?.node ?? process.execPath, [join(tree, LAUNCHER), ...args], {
    env: { PATH: process.env.PATH, HOME: tree, XDG_CONFIG_HOME: join(tree, "config") },
    stdio: ["ignore", "pipe", "pipe"],
    ...(as && { uid: as.uid, gid: as.uid }),
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (text += chunk));
  const code = await new Promise<number | null>((done, failed) => {
    child.once("error", failed);
    child.once("close", done);
  });
  return { code, text };
}

const version = (text = VERSION) => ({ code: 0, text: `${text}\n` });

/** Another version of as many bytes, whose file is as old as the one before. */
function change(text: string): void {
  const path = join(tree, "protocol/version.ts");
  const { atime, mtime } = statSync(path);
  writeFileSync(path, readFileSync(path, "utf8").replace(/"[^"]+";/, `"${text}";`));
  utimesSync(path, atime, mtime);
}

test("the first start makes the bundle, the next ones run it", async () => {
  expect(freshBundle(tree)).toBeUndefined();
  expect(await perigee(["--version"])).toEqual(version());
  const entry = freshBundle(tree)!;
  // What runs is that file
  writeFileSync(entry, 'console.log("from the bundle")');
  expect(await perigee(["--version"])).toEqual({ code: 0, text: "from the bundle\n" });
});

test("what was changed runs at once, also where neither size nor time tell", async () => {
  await perigee(["--version"]);
  const first = currentBundle(join(tree, CLI_CACHE))!.key;
  const other = VERSION.replace(/\d/, "9");
  change(other);
  expect(await perigee(["--version"])).toEqual(version(other));
  expect(currentBundle(join(tree, CLI_CACHE))!.key).not.toBe(first);
  change(VERSION);
  expect(await perigee(["--version"])).toEqual(version());
  expect(currentBundle(join(tree, CLI_CACHE))!.key).toBe(first);
});

test("many first starts at once all work, and leave one bundle", async () => {
  const all = await Promise.all(Array.from({ length: 6 }, () => perigee(["--version"])));
  expect(all).toEqual(all.map(() => version()));
  const { key } = currentBundle(join(tree, CLI_CACHE))!;
  expect(readdirSync(join(tree, CLI_CACHE)).sort()).toEqual([key, "manifest.json"].sort());
});

test("a bundle of which a part is gone is made anew", async () => {
  await perigee(["--version"]);
  rmSync(freshBundle(tree)!);
  expect(await perigee(["--version"])).toEqual(version());
  expect(existsSync(freshBundle(tree)!)).toBe(true);
});

test("a bundle that nobody has used for a day goes with the next change", async () => {
  const old = join(tree, CLI_CACHE, "0".repeat(32));
  mkdirSync(old, { recursive: true });
  const then = new Date(Date.now() - 25 * 3600_000);
  utimesSync(old, then, then);
  await perigee(["--version"]);
  expect(existsSync(old)).toBe(false);
});

test("where no bundle can be kept the sources run", async () => {
  writeFileSync(join(tree, "node_modules/.cache"), "in the way");
  expect(await perigee(["--version"])).toEqual(version());
});

test("without esbuild, as in production, the sources run", async () => {
  install(["commander", "tar-stream", "@node-rs", "zod"]);
  expect(await perigee(["--version"])).toEqual(version());
  expect(freshBundle(tree)).toBeUndefined();
});

test.runIf(process.getuid?.() === 0)("another user runs the owner's bundle and leaves nothing", async () => {
  const nobody = { node: forAnybody(), uid: NOBODY };
  expect(await perigee(["--version"], nobody)).toEqual(version());
  expect(existsSync(join(tree, "node_modules/.cache"))).toBe(false);
  await perigee(["--version"]);
  const files = () => readdirSync(join(tree, CLI_CACHE), { recursive: true }).sort();
  const before = files();
  expect(await perigee(["--version"], nobody)).toEqual(version());
  change(VERSION.replace(/\d/, "9"));
  expect(await perigee(["--version"], nobody)).toEqual(version(VERSION.replace(/\d/, "9")));
  expect(files()).toEqual(before);
});

test.runIf(process.getuid?.() === 0)("root leaves nothing in a tree that another user owns", async () => {
  for (const path of ["", ...(readdirSync(tree) as string[])]) lchownSync(join(tree, path), NOBODY, NOBODY);
  expect(await perigee(["--version"])).toEqual(version());
  expect(existsSync(join(tree, "node_modules/.cache"))).toBe(false);
});
