import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import type Docker from "dockerode";

/**
 * Runs a shell script in a container of an image, without a network, and takes a directory out of it.
 * @throws Error with what the script said when it fails
 */
export async function runInside(
  docker: Docker,
  image: string,
  script: string,
  { out, to, labels }: { out: string; to: string; labels: Record<string, string> },
): Promise<void> {
  const container = await docker.createContainer({
    Image: image,
    Entrypoint: ["/bin/sh", "-c", script],
    Tty: true,
    Labels: labels,
    HostConfig: { NetworkMode: "none", CapDrop: ["ALL"], SecurityOpt: ["no-new-privileges"] },
  });
  try {
    await container.start();
    const { StatusCode } = (await container.wait()) as { StatusCode: number };
    if (StatusCode !== 0) {
      const said = String(await container.logs({ stdout: true, stderr: true, tail: 30 }));
      throw new Error(`compiling ended with ${StatusCode}:\n${said.trim()}`);
    }
    mkdirSync(to);
    const tar = spawn("tar", ["-x", "--no-same-owner", "-C", to], { stdio: ["pipe", "inherit", "inherit"] });
    const ended = new Promise((resolve) => tar.once("close", resolve));
    await pipeline(await container.getArchive({ path: out }), tar.stdin);
    if ((await ended) !== 0) throw new Error(`${out} could not be taken out of the container`);
  } finally {
    await container.remove({ force: true });
  }
}
