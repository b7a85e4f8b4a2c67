import { pack } from "tar-stream";

export type TarFile = { name: string; mode: number; content?: string };

/** A tar of root's files and directories (names with a slash at the end), as the agent gets it. */
export function tarOf(files: readonly TarFile[]): AsyncIterable<Buffer> {
  const tar = pack();
  for (const { name, mode, content = "" } of files) {
    const header = { name, mode, uid: 0, gid: 0, mtime: new Date() };
    if (name.endsWith("/")) tar.entry({ ...header, type: "directory" });
    else tar.entry(header, content);
  }
  tar.finalize();
  return tar as AsyncIterable<Buffer>;
}
