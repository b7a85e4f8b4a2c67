import { pack } from "tar-stream";
import { decodeBase64 } from "./base64.ts";

/** A file that is to be copied into a runner; a path that ends in `/` is a directory, its content ignored. */
export type Copy = { path: string; content: string };

const FILE_MODE = 0o744;
/** sticky, so that `user` makes files beside the given ones and cannot remove those */
const DIRECTORY_MODE = 0o1777;

/** The files as a tar, one decoded at a time. Names are as they were given: the edge puts relative ones where it works. */
export async function* copyTar(copies: readonly Copy[], mtime: Date): AsyncGenerator<Uint8Array> {
  const tar = pack();
  const written = (async () => {
    for (const { path, content } of copies) {
      const directory = path.endsWith("/");
      const bytes = directory ? Buffer.alloc(0) : decodeBase64(content);
      const header = {
        name: path,
        type: directory ? ("directory" as const) : ("file" as const),
        mode: directory ? DIRECTORY_MODE : FILE_MODE,
        uid: 0,
        gid: 0,
        uname: "root",
        gname: "root",
        mtime,
        size: bytes.length,
      };
      await new Promise<void>((resolve, reject) => {
        tar.entry(header, bytes, (error) => (error ? reject(error) : resolve()));
      });
    }
    tar.finalize();
  })();
  written.catch((error: Error) => tar.destroy(error));
  try {
    yield* tar as AsyncIterable<Uint8Array>;
    await written;
  } finally {
    tar.destroy();
  }
}
