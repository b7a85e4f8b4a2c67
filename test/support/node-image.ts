import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type Docker from "dockerode";
import { libraries } from "../../scripts/localstack/lambda-runtime.ts";
import { buildFolder } from "./build-folder.ts";

/**
 * Makes an image of this Node and its libraries, and nothing else: what `node:24` is, as far as a program in
 * JavaScript is concerned. It stays for the next run.
 * @returns its name
 */
export async function makeNodeImage(docker: Docker): Promise<string> {
  const name = `perigee-test/node:${process.version}`;
  const images = await docker.listImages({ filters: { reference: [name] } });
  if (images.length > 0) return name;
  const folder = await mkdtemp(join(tmpdir(), "perigee-node-image-"));
  try {
    const place = async (from: string, at: string) => {
      await mkdir(dirname(join(folder, "root", at)), { recursive: true });
      await copyFile(await realpath(from), join(folder, "root", at));
    };
    await place(process.execPath, "/usr/local/bin/node");
    for (const library of await libraries(process.execPath)) await place(library, library);
    await promisify(execFile)("mkdir", ["-m", "1777", join(folder, "root/tmp")]);
    await writeFile(
      join(folder, "Dockerfile"),
      "FROM scratch\nCOPY root/ /\nENV PATH=/usr/local/bin:/usr/bin:/bin\n",
    );
    await buildFolder(docker, folder, name);
    return name;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
