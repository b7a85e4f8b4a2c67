import { readdir, readFile, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import type Docker from "dockerode";
import { type Pack, pack } from "tar-stream";

/** Builds the Dockerfile of a folder as `docker build` does, without a network and without pulling. @throws Error with the engine's words */
export async function buildFolder(
  docker: Docker,
  folder: string,
  name: string,
  args: Readonly<Record<string, string>> = {},
): Promise<void> {
  const tar = pack();
  const filling = fill(tar, folder, folder);
  filling.catch((error: Error) => tar.destroy(error));
  const stream: NodeJS.ReadableStream = await docker.buildImage(tar as unknown as NodeJS.ReadableStream, {
    t: name,
    buildargs: args,
    networkmode: "none",
    rm: true,
    forcerm: true,
  });
  await filling;
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(stream, (error, events: { error?: string }[]) => {
      const failed = error ?? events.map((event) => event.error).find(Boolean);
      if (failed) reject(failed instanceof Error ? failed : new Error(failed));
      else resolve();
    });
  });
}

async function fill(tar: Pack, root: string, directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    const { mode } = await stat(path);
    const header = { name: relative(root, path), mode: mode & 0o7777 };
    if (entry.isDirectory()) {
      tar.entry({ ...header, type: "directory" });
      await fill(tar, root, path);
    } else {
      tar.entry(header, await readFile(path));
    }
  }
  if (directory === root) tar.finalize();
}
