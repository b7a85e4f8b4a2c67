import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type Docker from "dockerode";
import { findProgram } from "./debian-packages.ts";
import { librariesOf } from "./runner-image.ts";
import { TOOLCHAIN_PACKAGES } from "./toolchain-packages.ts";

const BUSYBOX = "/bin/busybox";
/** What `RUN` and programs of tools ask for. */
const APPLETS = ["busybox", "sh", "cp", "mv", "rm", "mkdir", "cat", "ls", "echo", "printf", "test", "uname"];

/** What of this machine an image of tools holds: whole directories and files, at their places. */
type Tools = { version: string; path: string; places: string[]; without?: string[] };
type Language = "go" | "nodejs" | "python" | "java" | "c";

const output = async (program: string, ...args: string[]) =>
  (await promisify(execFile)(program, args, { maxBuffer: 16 * 1024 * 1024 })).stdout.trim();
const filesIn = (directory: string, name: RegExp) =>
  readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((entry) => name.test(entry))
    .map((entry) => join(directory, entry));

/** How each language's tools are found on this machine; undefined: it has none. */
const FIND: Record<Language, () => Promise<Tools | undefined>> = {
  async go() {
    const go = TOOLCHAIN_PACKAGES.go.find();
    if (!go) return undefined;
    const root = await output(go, "env", "GOROOT");
    return {
      version: await output(go, "version"),
      path: join(root, "bin"),
      places: [root],
      without: ["*_test.go", "testdata", ...["test", "api", "doc", "misc"].map((one) => `${root}/${one}`)],
    };
  },
  async nodejs() {
    const node = await realpath(process.execPath);
    return { version: process.version, path: dirname(node), places: [node, ...(await librariesOf([node]))] };
  },
  async python() {
    if (!findProgram("python3")) return undefined;
    const ask =
      "import sys, sysconfig; print(sys.version, sys.base_prefix, sysconfig.get_path('stdlib'), sep='\\n')";
    const lines = (await output("python3", "-c", ask)).split("\n");
    const [prefix = "", stdlib = ""] = lines.slice(-2);
    const python = join(prefix, "bin/python3");
    const modules = filesIn(join(stdlib, "lib-dynload"), /\.so$/);
    return {
      version: lines.join(" "),
      path: dirname(python),
      places: [python, stdlib, ...(await librariesOf([python, ...modules]))],
      without: ["site-packages", "dist-packages", "config-3*", "ensurepip", "idlelib", "tkinter", "test"],
    };
  },
  async java() {
    const javac = findProgram("javac");
    if (!javac) return undefined;
    const bin = dirname(await realpath(javac));
    const home = dirname(bin);
    const loaded = filesIn(join(home, "lib"), /\.so$/).filter((file) => !/awt|font|splash|X11/.test(file));
    return {
      version: await output(javac, "-version"),
      path: bin,
      places: [home, ...(await librariesOf([join(bin, "java"), ...loaded]))],
      without: ["jmods", "src.zip", "man", "demo", "legal", "cacerts", "*.certs", "*.so.debug", "docs"],
    };
  },
  async c() {
    const [cc, make, dpkg] = ["cc", "make", "dpkg"].map(findProgram);
    if (!cc || !make || !dpkg) return undefined;
    const parts = dirname(await output(cc, "-print-prog-name=cc1"));
    const binutils = ["as", "ld", "ar", "ranlib"].map((name) => findProgram(name) ?? name);
    const listed = ["libc6-dev", "linux-libc-dev", "libcrypt-dev"].map((name) => output(dpkg, "-L", name));
    const headers = await Promise.all(listed).catch(() => undefined);
    if (!headers) return undefined;
    const programs = [cc, make, ...binutils, join(parts, "cc1"), join(parts, "collect2")];
    return {
      version: await output(cc, "--version"),
      path: dirname(cc),
      places: [
        ...[cc, make, ...binutils, parts],
        ...headers
          .join("\n")
          .split("\n")
          .filter((file) => /^\/usr\/(include|lib)\//.test(file) && isFile(file)),
        ...(await librariesOf(programs)),
      ],
      without: ["cc1plus", "cc1obj*", "d21", "f951", "go1", "lto1", "plugin", "lib*san*"],
    };
  },
};

/**
 * Makes images with the tools of this machine for compilers, one for each language that it has. They stay in the
 * engine, named by what is in them.
 * @returns their IDs
 */
export async function makeToolchainImages(docker: Docker): Promise<Partial<Record<Language, string>>> {
  const made: Partial<Record<Language, string>> = {};
  for (const language of Object.keys(FIND) as Language[]) {
    const tools = await FIND[language]();
    if (tools) made[language] = await ensure(docker, language, tools);
  }
  return made;
}

async function ensure(docker: Docker, language: Language, tools: Tools): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify([tools, APPLETS]));
  const repo = `perigee-test/toolchain-${language}`;
  const tag = hash.digest("hex").slice(0, 12);
  const there = await idOf(docker, `${repo}:${tag}`);
  if (there) return there;
  const base = mkdtempSync(join(tmpdir(), "perigee-toolchain-"));
  try {
    for (const name of ["bin", "root", "tmp"]) mkdirSync(join(base, name));
    copyFileSync(BUSYBOX, join(base, "bin/busybox"));
    for (const name of APPLETS.slice(1)) linkSync(join(base, "bin/busybox"), join(base, "bin", name));
    await imported(docker, { repo, tag, changes: `ENV PATH=${tools.path}:/usr/bin:/bin` }, base, tools);
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
  const id = await idOf(docker, `${repo}:${tag}`);
  if (!id) throw new Error(`the engine did not take ${repo}:${tag}`);
  return id;
}

async function imported(docker: Docker, as: object, base: string, { places, without = [] }: Tools) {
  const excludes = without.map((pattern) => `--exclude=${pattern.replace(/^\//, "")}`);
  // what is in a directory that is there already would become a link to itself
  const names = [...new Set(places)]
    .filter((place) => !places.some((other) => place.startsWith(`${other}/`)))
    .map((place) => place.slice(1));
  // links become what they lead to
  const args = ["-c", "--dereference", ...excludes, "-C", base, "bin", "root", "tmp", "-C", "/", ...names];
  const tar = spawn("tar", args, { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  tar.stderr.on("data", (chunk: Buffer) => {
    said = (said + chunk).slice(-2000);
  });
  const ended = new Promise<number | null>((done) => tar.once("close", done));
  const answer = await docker.importImage(tar.stdout, as);
  for await (const chunk of answer) said = (said + chunk).slice(-2000);
  if ((await ended) !== 0) throw new Error(`tar: ${said}`);
}

async function idOf(docker: Docker, name: string): Promise<string | undefined> {
  const images = await docker.listImages({ filters: { reference: [name] } });
  return images[0]?.Id;
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
