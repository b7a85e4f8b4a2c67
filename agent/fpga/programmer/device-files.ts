import fs from "node:fs/promises";

/**
 * What the adapters ask of the file system, so that tests can give errors that only a driver gives. Paths are absolute.
 */
export type DeviceFiles = {
  /** a small file's text without white space around it; undefined when it is not there */
  read(path: string): Promise<string | undefined>;
  /** writes a text at once, as sysfs wants it: no file is made */
  write(path: string, text: string): Promise<void>;
  /** writes all of a file into another that is there, at once */
  writeFrom(from: string, to: string): Promise<void>;
  /** makes a directory, which the kernel fills by itself */
  makeDirectory(path: string): Promise<void>;
  /** removes a directory that the kernel has filled; one that is not there is no error */
  removeDirectory(path: string): Promise<void>;
  /** makes `to` of a part of `from`, durable; what was there is replaced */
  copy(from: string, to: string, part: { start: number; bytes: number }): Promise<void>;
  remove(path: string): Promise<void>;
  exists(path: string): Promise<boolean>;
  names(path: string): Promise<string[]>;
};

/** Most of a file that is read: sysfs gives a page. */
const READ_BYTES = 4096;

export const deviceFiles: DeviceFiles = {
  async read(path) {
    let file: fs.FileHandle;
    try {
      file = await fs.open(path, "r");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(READ_BYTES), 0, READ_BYTES, null);
      return buffer.toString("utf8", 0, bytesRead).trim();
    } finally {
      await file.close();
    }
  },
  async write(path, text) {
    const file = await fs.open(path, "r+");
    try {
      await file.write(text, null);
    } finally {
      await file.close();
    }
  },
  async writeFrom(from, to) {
    const content = await fs.readFile(from);
    const file = await fs.open(to, "r+");
    try {
      await file.write(content, 0, content.length, null);
    } finally {
      await file.close();
    }
  },
  makeDirectory: (path) => fs.mkdir(path),
  async removeDirectory(path) {
    await fs.rmdir(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
    });
  },
  async copy(from, to, { start, bytes }) {
    const source = await fs.open(from, "r");
    try {
      await fs.rm(to, { force: true });
      const target = await fs.open(to, "wx", 0o600);
      try {
        let sum = 0;
        if (bytes > 0) {
          const part = source.createReadStream({ start, end: start + bytes - 1, autoClose: false });
          for await (const chunk of part) {
            sum += (chunk as Buffer).length;
            await target.writeFile(chunk as Buffer);
          }
        }
        if (sum !== bytes)
          throw new Error(`the file has ${sum} bytes of the ${bytes} that the device is to get`);
        await target.sync();
      } finally {
        await target.close();
      }
    } finally {
      await source.close();
    }
  },
  remove: (path) => fs.rm(path, { force: true }),
  exists: (path) =>
    fs.access(path).then(
      () => true,
      () => false,
    ),
  names: (path) => fs.readdir(path).catch(() => []),
};
