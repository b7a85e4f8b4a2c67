import fs, { type BigIntStats, constants as c, type Dirent, type Stats } from "node:fs";

/**
 * A directory held open by descriptor. Every entry is named relative to the descriptor, through
 * `/proc/self/fd/<fd>/<name>`, and never followed when it is a link: whoever renames or links things
 * underneath while we work cannot lead us out. Node has no openat(2); this is the same on Linux.
 * Calls are synchronous: each is one system call on one component.
 */
export class Directory {
  readonly fd: number;

  private constructor(fd: number) {
    this.fd = fd;
  }

  /** Opens a directory by a trusted path; the last component is not followed. */
  static open(path: string): Directory {
    return new Directory(fs.openSync(path, c.O_RDONLY | c.O_DIRECTORY | c.O_NOFOLLOW));
  }

  /** Path of an entry for system calls that take a path and do not follow its last component. */
  at(name: string): string {
    if (name === "" || name === "." || name === ".." || name.includes("/") || name.includes("\0")) {
      throw new TypeError(`not a file name: ${JSON.stringify(name)}`);
    }
    return `/proc/self/fd/${this.fd}/${name}`;
  }

  /** @throws ENOENT, ENOTDIR, ELOOP (a link) */
  openDirectory(name: string): Directory {
    return new Directory(fs.openSync(this.at(name), c.O_RDONLY | c.O_DIRECTORY | c.O_NOFOLLOW));
  }

  /**
   * Opens a file for reading. O_NONBLOCK, so that a FIFO cannot hold us: fstat what you got.
   * @throws ENOENT, ELOOP (a link), ENXIO (a socket)
   */
  openFile(name: string): number {
    return fs.openSync(this.at(name), c.O_RDONLY | c.O_NOFOLLOW | c.O_NONBLOCK | c.O_NOCTTY);
  }

  /** Creates a file that must not exist. @throws EEXIST */
  createFile(name: string, mode = 0o600): number {
    return fs.openSync(this.at(name), c.O_RDWR | c.O_CREAT | c.O_EXCL | c.O_NOFOLLOW, mode);
  }

  /** Creates the directory if it is missing and opens it. @throws ENOTDIR, ELOOP */
  makeDirectory(name: string, mode = 0o777): Directory {
    try {
      fs.mkdirSync(this.at(name), mode);
    } catch (error) {
      if (!isErrno(error, "EEXIST")) throw error;
      return this.openDirectory(name);
    }
    const made = this.openDirectory(name);
    // mkdir's mode is cut by the umask
    fs.fchmodSync(made.fd, mode);
    return made;
  }

  lstat(name: string): Stats {
    return fs.lstatSync(this.at(name));
  }

  lstatBig(name: string): BigIntStats {
    return fs.lstatSync(this.at(name), { bigint: true });
  }

  names(): string[] {
    return fs.readdirSync(`/proc/self/fd/${this.fd}`);
  }

  entries(): Dirent[] {
    return fs.readdirSync(`/proc/self/fd/${this.fd}`, { withFileTypes: true });
  }

  readLink(name: string): string {
    return fs.readlinkSync(this.at(name));
  }

  unlink(name: string): void {
    fs.unlinkSync(this.at(name));
  }

  removeDirectory(name: string): void {
    fs.rmdirSync(this.at(name));
  }

  /** Renames an entry of this directory to `newName` in `target` (same file system). */
  rename(name: string, target: Directory, newName: string): void {
    fs.renameSync(this.at(name), target.at(newName));
  }

  sync(): void {
    fs.fsyncSync(this.fd);
  }

  close(): void {
    fs.closeSync(this.fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Is `error` the system error `code`? */
export function isErrno(error: unknown, ...codes: string[]): error is NodeJS.ErrnoException {
  return error instanceof Error && codes.includes((error as NodeJS.ErrnoException).code ?? "");
}
