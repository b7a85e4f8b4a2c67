import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import type { Logger } from "pino";
import { type FpgaImage, fpgaImage } from "#protocol/fpga-image.ts";
import { killPoint } from "#protocol/kill-point.ts";
import { LIMITS } from "#protocol/limits.ts";
import { USER } from "#protocol/names.ts";
import { Serial } from "#protocol/serial.ts";
import { Directory, isErrno } from "../../files/directory.ts";
import { atFreeSpaceFloor, freeBytes } from "../../files/free-space.ts";

export type FpgaStoreOptions = {
  /** directory of everything here, made when missing; only the agent may reach it */
  root: string;
  log: Logger;
  /** bytes that stay free on its file system (default LIMITS.freeFloorBytes) */
  freeFloorBytes?: number;
  /** Does a run that has not started yet need a user's file of that digest? (default: none does) */
  isNeeded?(user: string, sha256: string): boolean;
};

const INCOMING = ".incoming";
const IMAGES = "images";
const IMAGE = /^[0-9a-f]{32}$/;
const DIGEST = /^[0-9a-f]{64}$/;

/**
 * Files for FPGAs: `<root>/<user>/<sha256>`, kept once for each user and digest, and `<root>/<user>/images/<image>.json`,
 * the records that refer to them. Users never share a file, even an equal one: otherwise one could find out what another
 * has.
 *
 * - A file is there before a record refers to it, and goes after the last of them: a record never refers to nothing.
 * - What changes a user's records and files goes one after the other.
 */
export class FpgaStore {
  readonly #root: string;
  readonly #log: Logger;
  readonly #floor: number;
  readonly #isNeeded: (user: string, sha256: string) => boolean;
  readonly #turns = new Serial();

  constructor(options: FpgaStoreOptions) {
    const { root, log, freeFloorBytes = LIMITS.freeFloorBytes, isNeeded = () => false } = options;
    this.#root = path.resolve(root);
    this.#log = log;
    this.#floor = freeFloorBytes;
    this.#isNeeded = isNeeded;
    fs.mkdirSync(path.join(this.#root, INCOMING), { recursive: true, mode: 0o700 });
  }

  /** Where a command's file is received, until it is put in place or discarded. */
  incoming(command: string): string {
    if (!/^[0-9A-Z]{26}$/.test(command)) throw new TypeError(`no command: ${command}`);
    return path.join(this.#root, INCOMING, command);
  }

  discardIncoming(command: string): void {
    fs.rmSync(this.incoming(command), { force: true });
  }

  /** Does the user have a file of this digest here, whatever image refers to it? */
  hasFile(user: string, sha256: string): boolean {
    return fs.existsSync(this.#file(user, sha256));
  }

  /**
   * As {@link hasFile}, of a file that has this digest when it is read now. One that has not is of no use to any image,
   * and is removed: it is received again.
   * @throws the signal's reason
   */
  hasWholeFile(user: string, sha256: string, signal: AbortSignal): Promise<boolean> {
    return this.#turns.run(user, async () => {
      signal.throwIfAborted();
      const file = this.#file(user, sha256);
      if (!this.hasFile(user, sha256)) return false;
      // one that cannot be read is as good as another file
      const found = await digestOf(file, signal).catch((err: unknown) => {
        signal.throwIfAborted();
        this.#log.error({ err, user, sha256 }, "a file for FPGAs cannot be read");
      });
      if (found === sha256) return true;
      this.#log.error({ user, sha256 }, "a file for FPGAs is not what was stored, and is removed");
      fs.rmSync(file, { force: true });
      sync(this.#home(user));
      return false;
    });
  }

  /** The user's images, by id. A record that cannot be read is left out and logged. */
  images(user: string): FpgaImage[] {
    return namesIn(this.#records(user))
      .filter((name) => name.endsWith(".json"))
      .sort()
      .flatMap((name) => this.#read(user, name.slice(0, -".json".length)) ?? []);
  }

  /** Path of a user's file; undefined when it is not here. */
  fileOf(user: string, sha256: string): string | undefined {
    return this.hasFile(user, sha256) ? this.#file(user, sha256) : undefined;
  }

  /** An image and the path of its file; undefined when this edge does not hold it. */
  find(user: string, image: string): { held: FpgaImage; file: string } | undefined {
    const held = this.#read(user, image);
    return held && { held, file: this.#file(user, held.sha256) };
  }

  users(): string[] {
    return namesIn(this.#root).filter((name) => USER.test(name));
  }

  /** Bytes of the user's files, each counted once. */
  usage(user: string): number {
    return namesIn(this.#home(user))
      .filter((name) => DIGEST.test(name))
      .reduce((sum, name) => sum + (sizeOf(this.#file(user, name)) ?? 0), 0);
  }

  /** @throws PerigeeError STORAGE_FULL when so many more bytes would go below the free-space floor */
  assertRoom(bytes: number): void {
    if (freeBytes(this.#root) - this.#floor < bytes) throw atFreeSpaceFloor();
  }

  /**
   * Makes an image of what a command received and checked, or of the file of that digest that is here already. Done
   * again it changes nothing.
   * @returns false when there is neither: the file has to be received (again)
   */
  place(user: string, command: string, held: FpgaImage): Promise<boolean> {
    return this.#turns.run(user, async () => {
      const received = this.incoming(command);
      const file = this.#file(user, held.sha256);
      makeDirectory(this.#home(user), this.#root);
      makeDirectory(this.#records(user), this.#home(user));
      if (this.hasFile(user, held.sha256)) fs.rmSync(received, { force: true });
      else {
        if (!fs.existsSync(received)) return false;
        fs.renameSync(received, file);
        sync(this.#home(user));
      }
      killPoint("fpga.placed");
      const record = this.#record(user, held.image);
      const part = `${record}.part`;
      fs.writeFileSync(part, JSON.stringify(held), { mode: 0o600, flush: true });
      fs.renameSync(part, record);
      sync(this.#records(user));
      killPoint("fpga.recorded");
      return true;
    });
  }

  /** Removes an image, and its file when no other image of the user refers to it. One that is not here is no error. */
  remove(user: string, image: string): Promise<void> {
    return this.#turns.run(user, async () => {
      const record = this.#record(user, image);
      const held = this.#read(user, image);
      if (!fs.existsSync(record)) return;
      fs.rmSync(record);
      sync(this.#records(user));
      killPoint("fpga.unrecorded");
      if (held) this.#removeUnused(user, held.sha256);
    });
  }

  /**
   * Removes what commands that were cut left: files to which nothing refers, and what was received for none of
   * `unfinished`. A command that goes on and finds its file gone receives it again.
   */
  async sweep(unfinished: ReadonlySet<string>): Promise<void> {
    for (const command of namesIn(path.join(this.#root, INCOMING))) {
      if (!unfinished.has(command)) fs.rmSync(path.join(this.#root, INCOMING, command), { force: true });
    }
    for (const user of this.users()) {
      await this.#turns.run(user, async () => {
        for (const name of namesIn(this.#records(user))) {
          if (name.endsWith(".part")) fs.rmSync(path.join(this.#records(user), name), { force: true });
        }
      });
      await this.tidy(user);
    }
  }

  /** Removes the user's files that neither an image refers to nor a run needs. */
  tidy(user: string): Promise<void> {
    return this.#turns.run(user, async () => {
      for (const name of namesIn(this.#home(user))) if (DIGEST.test(name)) this.#removeUnused(user, name);
    });
  }

  #removeUnused(user: string, sha256: string): void {
    if (this.#isNeeded(user, sha256)) return;
    // a record that cannot be read may be of this file
    const names = namesIn(this.#records(user)).filter((name) => name.endsWith(".json"));
    const images = this.images(user);
    if (images.length < names.length || images.some((held) => held.sha256 === sha256)) return;
    fs.rmSync(this.#file(user, sha256), { force: true });
    sync(this.#home(user));
  }

  #read(user: string, image: string): FpgaImage | undefined {
    const record = this.#record(user, image);
    try {
      return fpgaImage.parse(JSON.parse(fs.readFileSync(record, "utf8")));
    } catch (error) {
      if (!isErrno(error, "ENOENT"))
        this.#log.error({ err: error, image }, "the record of an FPGA image cannot be read");
      return undefined;
    }
  }

  #home(user: string): string {
    if (!USER.test(user)) throw new TypeError(`no user: ${user}`);
    return path.join(this.#root, user);
  }

  #records(user: string): string {
    return path.join(this.#home(user), IMAGES);
  }

  #record(user: string, image: string): string {
    if (!IMAGE.test(image)) throw new TypeError(`no FPGA image: ${image}`);
    return path.join(this.#records(user), `${image}.json`);
  }

  #file(user: string, sha256: string): string {
    if (!DIGEST.test(sha256)) throw new TypeError(`no digest: ${sha256}`);
    return path.join(this.#home(user), sha256);
  }
}

async function digestOf(file: string, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of fs.createReadStream(file, { signal }) as AsyncIterable<Buffer>)
    hash.update(chunk);
  return hash.digest("hex");
}

function namesIn(directory: string): string[] {
  try {
    return fs.readdirSync(directory);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  }
}

function sizeOf(file: string): number | undefined {
  return fs.lstatSync(file, { throwIfNoEntry: false })?.size;
}

function makeDirectory(directory: string, parent: string): void {
  if (fs.existsSync(directory)) return;
  fs.mkdirSync(directory, { mode: 0o700 });
  sync(parent);
}

/** Makes the names in a directory durable. */
function sync(directory: string): void {
  using opened = Directory.open(directory);
  opened.sync();
}
