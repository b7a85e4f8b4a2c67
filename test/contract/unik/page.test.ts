import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { clientFor, findEngine } from "../../../scripts/docker-engine.ts";
import { ensureVmImages } from "../../../scripts/ensure-vm-images.ts";
import { WITHOUT_MACHINES } from "../../support/without-machines.ts";
import { me, other, target } from "./support/session.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const PAGE = readFileSync(join(ROOT, "docs/unik.md"), "utf8");
const IMAGES_MS = 20 * 60_000;

/** The page's shell blocks, in which its addresses and users are those of this run. */
const BLOCKS = [...PAGE.matchAll(/```sh\n([^`]+)```/g)].map(([, block = ""]) =>
  block
    .replaceAll("perigee:PASSWORD@", loginOf(target.user))
    .replaceAll("ann:PASSWORD@", loginOf(target.other))
    .replaceAll("http:", new URL(target.ground).protocol)
    .replaceAll("127.0.0.1:8080", new URL(target.ground).host)
    .replaceAll(/(owner[ =])perigee/g, `$1${target.user.name}`)
    .trim()
    .split("\n"),
);

function loginOf({ name, password }: typeof target.user): string {
  return `${name}:${password}@`;
}

let directory: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "unik-page-"));
  symlinkSync(join(ROOT, "examples"), join(directory, "examples"));
  mkdirSync(join(directory, "bin"));
  const programs = {
    perigee: `exec '${process.execPath}' '${join(ROOT, "bin/perigee.mjs")}' --edge '${target.edge}' "$@"`,
    // an answer that is an error ends it with 22
    curl: `PATH=\${PATH#*:} exec curl --fail --show-error "$@"`,
  };
  for (const [name, line] of Object.entries(programs)) {
    writeFileSync(join(directory, "bin", name), `#!/bin/sh\n${line}\n`, { mode: 0o755 });
  }
  await shell(`perigee login ${target.user.name} --password-stdin`, `${target.user.password}\n`);
});
afterAll(async () => {
  for (const image of ["web-vm", "web", "ask"]) await me.delete(`/images/${image}?force=true`);
  await other.delete("/images/web?force=true");
  await me.post("/images/remote-delete/web");
  for (const volume of ["first", "second", "first-disk", "second-disk"]) {
    await me.delete(`/volumes/${volume}?force=true`);
  }
  rmSync(directory, { recursive: true, force: true });
});

/** What a line writes in a shell that is where the page's reader is. @throws Error when it fails */
async function shell(line: string, input = ""): Promise<string> {
  const child = spawn("sh", ["-c", line], {
    cwd: directory,
    env: {
      PATH: `${join(directory, "bin")}:${process.env.PATH}`,
      HOME: directory,
      XDG_CONFIG_HOME: directory,
      PERIGEE_URL: target.ground,
    },
    stdio: ["pipe", "pipe", "pipe"],
  });
  // most ask for none, and may be gone before
  child.stdin.on("error", () => undefined).end(input);
  const [stdout, stderr, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise((done) => child.once("close", done)),
  ]);
  if (code !== 0) throw new Error(`${line} ended with ${code}\n${stdout}${stderr}`);
  return stdout.replaceAll("\0", "");
}

const assigned: string[] = [];

/** Runs a block line by line. @returns what its logs and hub said */
async function run(block: readonly string[]): Promise<string[]> {
  const said: string[] = [];
  for (const line of block) {
    if (/^[A-Z]=/.test(line)) assigned.push(line);
    else {
      const stdout = await shell([...assigned, line].join("\n"));
      if (/logs|search|hub\/images/.test(line)) said.push(stdout);
    }
  }
  return said;
}

describe("the page's commands", () => {
  test("are in six blocks, and make images that run and take another volume, by curl and by perigee", async () => {
    const [files, curl, cli, , push, hub, ...rest] = BLOCKS;
    expect(hub).toBeDefined();
    expect(rest).toEqual([]);
    await run(files!);
    for (const block of [curl!, cli!]) {
      expect(await run(block)).toEqual([
        expect.stringMatching(/a first note\n$/),
        expect.stringMatching(/a second note\n$/),
      ]);
    }
    for (const block of [push!, hub!]) expect(await run(block)).toEqual([expect.stringContaining("web")]);
  });

  test.skipIf(WITHOUT_MACHINES)("lead to a machine that does the same", { timeout: IMAGES_MS }, async () => {
    if (target.tools) {
      const engine = await findEngine();
      if (!("version" in engine)) throw new Error(engine.detail);
      await ensureVmImages(clientFor(engine.host), () => {});
    }
    const offered = async () => (await me.get("/available_compilers")).json;
    await expect.poll(offered, { timeout: IMAGES_MS }).toContain("linux-native-qemu");
    await shell("perigee compile examples/unik/ask --lang native -t ask --force");
    expect(await run(BLOCKS[3]!)).toEqual(["a first note\n", "a second note\n"]);
  });
});
