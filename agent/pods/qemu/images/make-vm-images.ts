import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type Docker from "dockerode";
import { HELPER_LABEL, removeHelpers } from "../../../engine/helper-containers.ts";
import { IMAGE_LABEL } from "../../../images/image-labels.ts";
import { OWN } from "../own.ts";
import { type VmArchitecture, vmArchitecture } from "./architecture.ts";
import { DebianPackages } from "./debian-root.ts";
import { makeInitramfs } from "./initramfs.ts";
import { placeKernel } from "./kernel.ts";
import { RECIPE } from "./recipe.ts";
import { runInside } from "./run-inside.ts";
import { runProgram } from "./run-program.ts";
import { findVmImages, guestFolder, idOf, type VmImages, vmImageNames } from "./vm-images.ts";

/** What the containers are labelled with, which are no agent's. */
const COMPILING = "machines";
const COMPILING_MS = 5 * 60_000;
const COMPILE = "gcc -O2 -static -Wall -Werror";

/**
 * Makes sure that the engine has both images of this version: from Debian's packages, which are downloaded and
 * unpacked, and not installed. May take minutes. Needs apt-get, dpkg-deb and tar, and no rights but those on the engine.
 */
export async function makeVmImages(
  docker: Docker,
  say: (line: string) => void = () => {},
): Promise<VmImages> {
  // left by an earlier run that was killed: no compilation takes this long
  await removeHelpers(docker, COMPILING, Date.now() - COMPILING_MS);
  const names = vmImageNames();
  const found = await findVmImages(docker, names);
  if (found) return found;
  const architecture = vmArchitecture();
  await requirePrograms();
  const work = mkdtempSync(join(tmpdir(), "perigee-vm-images-"));
  try {
    const packages = new DebianPackages(work);
    const make: Make = { docker, packages, architecture, work, say };
    const build = (await idOf(docker, names.build)) ?? (await makeBuild(make, names.build));
    const run = await makeRun(make, names.run, build);
    return { run, build };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** @throws Error that says what this machine lacks */
async function requirePrograms(): Promise<void> {
  for (const program of ["apt-get", "dpkg-deb", "tar"]) {
    await runProgram(program, ["--version"]).catch(() => {
      throw new Error(
        `making the images for virtual machines needs ${program}: do it on Debian or a child of it`,
      );
    });
  }
}

type Make = {
  docker: Docker;
  packages: DebianPackages;
  architecture: VmArchitecture;
  /** an empty directory */
  work: string;
  say: (line: string) => void;
};

async function makeBuild({ docker, packages, architecture, work, say }: Make, name: string): Promise<string> {
  say("compilers for virtual machines: Debian's packages");
  const root = join(work, "build");
  await packages.unpackAll([architecture.crossCompiler, ...RECIPE.build], root);
  cpSync(guestFolder(), join(root, OWN), { recursive: true });
  // where the files of an image come that becomes a disk
  mkdirSync(join(root, "rootfs"));
  // what Debian's package would do when it is installed
  symlinkSync("gcc", join(root, "usr/bin/cc"));
  say(`image ${name}`);
  return importRoot(docker, root, name, ['CMD ["/bin/sh"]']);
}

async function makeRun(
  { docker, packages, architecture, work, say }: Make,
  name: string,
  build: string,
): Promise<string> {
  say("virtual machines: Debian's packages");
  const root = join(work, "run");
  const kernel = join(work, "kernel");
  await packages.unpackAll(architecture.qemuPackages, root);
  await packages.unpackKernel(`linux-image-cloud-${architecture.debian}`, kernel);
  mkdirSync(join(root, OWN), { recursive: true });
  const compiled = join(work, "compiled");
  const script = [
    "mkdir /out",
    `${COMPILE} -o /out/warden /${OWN}/warden/warden.c`,
    `${COMPILE} -o /out/init /${OWN}/linux/init.c`,
    "cp /usr/sbin/e2fsck.static /out/",
  ].join(" && ");
  await runInside(docker, build, script, {
    out: "/out",
    to: compiled,
    labels: { [HELPER_LABEL]: COMPILING },
  });
  cpSync(join(compiled, "out/warden"), join(root, OWN, "warden"));
  placeKernel(kernel, join(root, OWN, "kernel"));
  await makeInitramfs(join(root, OWN, "initramfs"), { kernel, programs: join(compiled, "out") });
  say(`image ${name}`);
  return importRoot(docker, root, name, []);
}

/** Makes an image of one layer of a directory. */
async function importRoot(docker: Docker, root: string, name: string, changes: string[]): Promise<string> {
  const leftOut = RECIPE.leftOut.map((path) => `--exclude=${path}`);
  const owner = ["--numeric-owner", "--owner=0", "--group=0", "--mtime=@0", "--sort=name"];
  const tar = spawn("tar", [...leftOut, ...owner, "-C", root, "-c", "."], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    tar.once("error", reject);
    tar.once("close", resolve);
  });
  const [repo, tag] = name.split(":");
  // an image that the agent's label is on is no public one
  const label = `LABEL ${IMAGE_LABEL}=machines`;
  const answer = await docker.importImage(tar.stdout, { repo, tag, changes: [label, ...changes] });
  for await (const _ of answer as AsyncIterable<Buffer>);
  const code = await ended;
  const id = await idOf(docker, name);
  if (code !== 0 || id === undefined) throw new Error(`the engine did not import ${name}`);
  return id;
}
