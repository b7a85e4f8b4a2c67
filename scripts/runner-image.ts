import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { promisify } from "node:util";
import type Docker from "dockerode";
import { ensureProgram, findProgram } from "./debian-packages.ts";
import { ensureImage, type TarEntry } from "./image-archive.ts";

const COREUTILS =
  "[ arch b2sum base32 base64 basename basenc cat chgrp chmod chown cksum comm cp csplit cut date dd df dir dircolors dirname du echo env expand expr factor false fmt fold groups head hostid id install join link ln logname ls md5sum mkdir mkfifo mknod mktemp mv nice nl nohup nproc numfmt od paste pathchk pinky pr printenv printf ptx pwd readlink realpath rm rmdir runcon seq sha1sum sha224sum sha256sum sha384sum sha512sum shred shuf sleep sort split stat stdbuf stty sum sync tac tail tee test timeout touch tr true truncate tsort tty uname unexpand uniq unlink uptime users vdir wc who whoami yes".split(
    " ",
  );
const OTHERS = ["bash", "dash", "find", "xargs", "tar", "gzip", "make", "setpriv", "grep", "sed"];
const FILES: TarEntry[] = [
  {
    name: "etc/passwd",
    content:
      "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\nuser:x:1000:1000::/workspace:/bin/bash\n",
  },
  { name: "etc/group", content: "root:x:0:\nnogroup:x:65534:\nuser:x:1000:\n" },
];
const DIRECTORIES = [
  ...["dev", "etc", "proc", "root", "sys", "usr", "usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "var"],
];
const CONFIG = { Env: ["PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin"], Cmd: ["/bin/bash"] };
const RECIPE = JSON.stringify([COREUTILS, OTHERS, "sh: dash", FILES, DIRECTORIES, CONFIG]);

/** Its tag names what it is made of: an older one that is still there does not stand for it. */
export const RUNNER_IMAGE = `perigee-test/runner:${createHash("sha256").update(RECIPE).digest("hex").slice(0, 12)}`;

/**
 * Makes sure that the engine has an image in which runners can work: bash, coreutils, find, tar, make and setpriv of
 * this machine with their libraries, the user `user` (1000) and `/workspace`. It names no working directory.
 * @returns the image's ID (`sha256:…`)
 */
export function makeRunnerImage(docker: Docker, tag = RUNNER_IMAGE): Promise<string> {
  return ensureImage(docker, tag, CONFIG, runnerLayer);
}

async function runnerLayer(): Promise<TarEntry[]> {
  // Debian's smallest installations lack the first, others the second
  for (const name of ["make", "dash"]) await ensureProgram(name, name, console.log);
  const programs = [...COREUTILS, ...OTHERS].map((name) => {
    const path = findProgram(name);
    if (!path) throw new Error(`this machine has no ${name} for the runners' test image`);
    return path;
  });
  const libraries = await librariesOf(programs);
  const directories = new Set(DIRECTORIES);
  for (const library of libraries) {
    const parts = inUsr(library).split("/");
    for (let depth = 1; depth < parts.length; depth++) directories.add(parts.slice(0, depth).join("/"));
  }
  return [
    ...[...directories].sort().map((name) => ({ name: `${name}/`, mode: 0o755 })),
    { name: "tmp/", mode: 0o1777 },
    { name: "workspace/", mode: 0o755, owner: 1000 },
    ...["bin", "sbin", "lib", "lib64"].map((name) => ({ name, linkname: `usr/${name}` })),
    { name: "usr/bin/sh", linkname: "dash" },
    ...(await copies(programs, (path) => `usr/bin/${basename(path)}`)),
    ...(await copies(libraries, inUsr)),
    ...FILES,
  ];
}

function copies(paths: string[], placeOf: (path: string) => string): Promise<TarEntry[]> {
  return Promise.all(
    paths.map(async (path) => ({ name: placeOf(path), content: await readFile(path), mode: 0o755 })),
  );
}

/** The loader and all libraries, as `ldd` names them. */
export async function librariesOf(programs: string[]): Promise<string[]> {
  const { stdout } = await promisify(execFile)("ldd", programs, { maxBuffer: 16 * 1024 * 1024 });
  const paths = [...stdout.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].map(([, path]) => path ?? "");
  // where `/lib` is a link, one library has two paths
  return [...new Map(paths.map((path) => [inUsr(path), path])).values()].sort();
}

/** Where a library lies in an image that has all of them below `/usr`. */
function inUsr(path: string): string {
  return path.startsWith("/usr/") ? path.slice(1) : `usr${path}`;
}
