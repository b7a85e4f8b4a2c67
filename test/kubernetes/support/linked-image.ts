import { pipeline } from "node:stream/promises";
import type Docker from "dockerode";
import { extract, pack } from "tar-stream";

/**
 * Makes an image of the files of another, flattened, with links in the place of some of them: what neither a
 * Dockerfile nor a container can make, since both run on an engine that hides such links.
 * @param links target by path, both as they are written into the layer
 * @param changes `VOLUME /x` and the like
 * @returns its ID
 */
export async function linkedImage(
  docker: Docker,
  base: string,
  repo: string,
  { links = {}, changes = [] }: { links?: Record<string, string>; changes?: readonly string[] },
): Promise<string> {
  const archive = pack();
  const container = await docker.createContainer({ Image: base, Cmd: ["true"] });
  try {
    const paths = Object.keys(links);
    const unpack = extract();
    unpack.on("entry", (header, stream, next) => {
      const name = header.name.replace(/\/$/, "");
      if (paths.some((path) => name === path || name.startsWith(`${path}/`))) {
        stream.once("end", next).resume();
      } else stream.pipe(archive.entry(header, next));
    });
    const done = pipeline(await container.export(), unpack).then(() => {
      for (const [name, linkname] of Object.entries(links))
        archive.entry({ name, type: "symlink", linkname });
      archive.finalize();
    });
    const answer = await docker.importImage(archive as unknown as NodeJS.ReadableStream, {
      repo,
      tag: "latest",
      changes: ['CMD ["sh"]', ...changes],
    });
    await Promise.all([
      done,
      new Promise((resolve, reject) =>
        docker.modem.followProgress(answer, (error, all) => (error ? reject(error) : resolve(all))),
      ),
    ]);
  } finally {
    await container.remove({ force: true });
  }
  return (await docker.getImage(`${repo}:latest`).inspect()).Id;
}
