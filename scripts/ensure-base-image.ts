import { existsSync, readFileSync } from "node:fs";
import type Docker from "dockerode";
import { makeBusyboxImage } from "./base-image.ts";
import { canInstall, installPackages } from "./debian-packages.ts";
import { clientFor, findEngine } from "./docker-engine.ts";

export const BASE_IMAGE = "busybox:latest";
const PULLED = "busybox:stable";
const BUSYBOX = "/bin/busybox";
const PULL_MS = 120_000;
const PT_INTERP = 3;

/**
 * Makes sure that the engine has the public image that examples and tests are built from. One that is there
 * stays; else it is made from Debian's static busybox, installed first where we may; else it is pulled.
 * @throws Error that says what was tried
 */
export async function ensureBaseImage(
  docker: Docker,
  say: (line: string) => void = console.log,
): Promise<void> {
  if (await hasImage(docker, BASE_IMAGE)) return say(`image: ${BASE_IMAGE} is there`);
  if (!isStaticProgram(BUSYBOX) && canInstall()) {
    await installPackages(["busybox-static"], (line) => say(`image: ${line}`));
  }
  if (isStaticProgram(BUSYBOX)) {
    await makeBusyboxImage(docker, BASE_IMAGE);
    return say(`image: made ${BASE_IMAGE} from this machine's static busybox`);
  }
  try {
    await pull(docker, PULLED);
  } catch (error) {
    throw new Error(
      `There is no ${BASE_IMAGE}: this machine has no static busybox to make it from, and pulling ${PULLED} failed: ${(error as Error).message}`,
      { cause: error },
    );
  }
  await docker.getImage(PULLED).tag({ repo: "busybox", tag: "latest" });
  say(`image: pulled ${PULLED} and named it ${BASE_IMAGE}`);
}

/** Is there a 64-bit ELF program that needs no loader and no libraries, so that it runs in an empty image? */
export function isStaticProgram(path: string): boolean {
  if (!existsSync(path)) return false;
  const elf = readFileSync(path);
  if (elf.length < 64 || elf.readUInt32BE(0) !== 0x7f454c46 || elf[4] !== 2) return false;
  const table = Number(elf.readBigUInt64LE(32));
  const entrySize = elf.readUInt16LE(54);
  const entries = elf.readUInt16LE(56);
  for (let i = 0; i < entries; i++) {
    if (elf.readUInt32LE(table + i * entrySize) === PT_INTERP) return false;
  }
  return true;
}

async function hasImage(docker: Docker, name: string): Promise<boolean> {
  const images = await docker.listImages({ filters: { reference: [name] } });
  return images.some((image) => image.RepoTags?.includes(name));
}

async function pull(docker: Docker, name: string): Promise<void> {
  const stream = await docker.pull(name, { abortSignal: AbortSignal.timeout(PULL_MS) });
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(stream, (error: Error | null) => (error ? reject(error) : resolve()));
  });
}

if (import.meta.main) {
  try {
    const engine = await findEngine();
    if (!("version" in engine)) throw new Error(engine.detail);
    await ensureBaseImage(clientFor(engine.host));
  } catch (error) {
    console.error(`image: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}
