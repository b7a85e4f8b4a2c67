import fs, { constants as c, type Dir, type Dirent, type Stats } from "node:fs";
import type { EntryName } from "./entry-name.ts";

/** O_PATH of open(2): a handle on an entry without opening it, so that no device or FIFO reacts. */
const O_PATH = 0o10000000;

/**
 * A directory held open by a descriptor. Every entry is named relative to the descriptor, through
 * `/proc/self/fd/<fd>/<name>`, and a link is never followed: a process that renames or links entries
 * meanwhile cannot lead us out of the directory. Node has no openat(2); on Linux this is equivalent.
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
  at(name: string): string;
  at(name: EntryName): EntryName;
  at(name: EntryName): EntryName {
    const isName = typeof name === "string" ? isFileName(name) : isFileName(name.toString("latin1"));
    if (!isName) throw new TypeError(`not a file name: ${JSON.stringify(name.toString())}`);
    if (typeof name === "string") return `/proc/self/fd/${this.fd}/${name}`;
    return Buffer.concat([Buffer.from(`/proc/self/fd/${this.fd}/`), name]);
  }

  /** @throws ENOENT, ENOTDIR, ELOOP (a link) */
  openDirectory(name: EntryName): Directory {
    return new Directory(fs.openSync(this.at(name), c.O_RDONLY | c.O_DIRECTORY | c.O_NOFOLLOW));
  }

  /**
   * Opens a file for reading, with O_NONBLOCK so that a FIFO cannot block: fstat the result.
   * @throws ENOENT, ELOOP (a link), ENXIO (a socket)
   */
  openFile(name: EntryName): number {
    return fs.openSync(this.at(name), c.O_RDONLY | c.O_NOFOLLOW | c.O_NONBLOCK | c.O_NOCTTY);
  }

  /** Creates the directory if it is missing and opens it; `made` gets a new one. @throws ENOTDIR, ELOOP */
  makeDirectory(name: EntryName, mode = 0o777, made?: (fd: number) => void): Directory {
    try {
      fs.mkdirSync(this.at(name), mode);
    } catch (error) {
      if (!isErrno(error, "EEXIST")) throw error;
      return this.openDirectory(name);
    }
    const directory = this.openDirectory(name);
    made?.(directory.fd);
    // mkdir applies the umask to the mode
    fs.fchmodSync(directory.fd, mode);
    return directory;
  }

  lstat(name: EntryName): Stats {
    return fs.lstatSync(this.at(name));
  }

  /** Is there an entry of that name, of whatever kind? */
  has(name: EntryName): boolean {
    try {
      this.lstat(name);
      return true;
    } catch (error) {
      if (isErrno(error, "ENOENT")) return false;
      throw error;
    }
  }

  /**
   * A handle (O_PATH descriptor) on an entry of any kind, also on a link itself. Nothing is opened: fstat it,
   * then {@link reopen} exactly the entry that was checked.
   * @throws ENOENT
   */
  handle(name: EntryName): number {
    return fs.openSync(this.at(name), O_PATH | c.O_NOFOLLOW);
  }

  /** Opens the regular file or directory behind a {@link handle} for reading; the handle stays open. */
  static reopen(handle: number): number {
    return fs.openSync(`/proc/self/fd/${handle}`, c.O_RDONLY | c.O_NONBLOCK | c.O_NOCTTY);
  }

  /** Takes over a descriptor that is known to be one of a directory. */
  static adopt(fd: number): Directory {
    return new Directory(fd);
  }

  /** A second descriptor of the same directory. */
  duplicate(): Directory {
    return new Directory(fs.openSync(`/proc/self/fd/${this.fd}`, c.O_RDONLY | c.O_DIRECTORY));
  }

  names(): string[] {
    return fs.readdirSync(this.path);
  }

  entries(): Dirent[] {
    return fs.readdirSync(this.path, { withFileTypes: true });
  }

  /** Entries whose `name` has one character per byte (entry-name.ts), so that names that are not UTF-8 are kept. */
  rawEntries(): Dirent[] {
    return fs.readdirSync(this.path, { withFileTypes: true, encoding: "latin1" });
  }

  /** The same as a stream, for directories too large to hold in memory; close it. */
  openEntries(): Dir {
    return fs.opendirSync(this.path, { encoding: "latin1", bufferSize: 256 });
  }

  /** Path of the directory itself, valid in this process while it is open. */
  get path(): string {
    return `/proc/self/fd/${this.fd}`;
  }

  /** A link's target, which need not be text. @throws EINVAL (no link), ENOENT */
  readLinkBytes(name: EntryName): Buffer {
    return fs.readlinkSync(this.at(name), { encoding: "buffer" });
  }

  unlink(name: EntryName): void {
    fs.unlinkSync(this.at(name));
  }

  removeDirectory(name: EntryName): void {
    fs.rmdirSync(this.at(name));
  }

  /** Renames an entry of this directory to `newName` in `target` (same file system). */
  rename(name: EntryName, target: Directory, newName: EntryName): void {
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

function isFileName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !name.includes("/") && !name.includes("\0");
}

/** Is `error` the system error `code`? */
export function isErrno(error: unknown, ...codes: string[]): error is NodeJS.ErrnoException {
  return error instanceof Error && codes.includes((error as NodeJS.ErrnoException).code ?? "");
}
