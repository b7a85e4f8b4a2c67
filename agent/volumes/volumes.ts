import fs from "node:fs";
import path from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { Logger } from "pino";
import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import { LABEL, space, USER } from "#protocol/names.ts";
import { migrate } from "../database/migrate.ts";
import { transaction } from "../database/transaction.ts";
import { withoutSync } from "../database/without-sync.ts";
import { Directory, isErrno } from "../files/directory.ts";
import { atFreeSpaceFloor, freeBytes } from "../files/free-space.ts";
import { isMissing } from "../files/open-beneath.ts";
import { UNMEASURABLE_BYTES } from "../files/unmeasurable.ts";
import { Listings } from "./changes/listings.ts";
import { KnownHashes } from "./listing/known-hashes.ts";
import { type Measure, TreeWorker } from "./listing/tree-worker-client.ts";
import { Trash } from "./trash.ts";

export type VolumesOptions = {
  /** directory of everything here: `<root>/<user>/<volume>`; made when missing */
  root: string;
  /** the agent's state; holds when each volume was made */
  database: DatabaseSync;
  /** directory for hashes and listings; losing it costs time only */
  cache: string;
  log: Logger;
  /** bytes that stay free on the volumes' file system (default LIMITS.freeFloorBytes) */
  freeFloorBytes?: number;
};

const INSERT = "INSERT OR REPLACE INTO volumes (user, volume, created, most) VALUES (?, ?, ?, ?)";

export type VolumeInfo = { name: string /** bytes */; size: number /** ms since 1970 */; created: number };

/**
 * The volumes of one edge: directories `<root>/<user>/<volume>`, in a space `<root>/<user>/<volume>.<space>`. Beside
 * them are uplinks that are being received and entries that are being deleted.
 */
export class Volumes {
  readonly root: string;
  /** `.incoming/<command>/`: uplinks that are being received */
  readonly incoming: string;
  readonly trash: Trash;
  readonly hashes: KnownHashes;
  readonly listings: Listings;
  readonly log: Logger;
  readonly #database: DatabaseSync;
  readonly #floor: number;
  readonly #lister = new TreeWorker();
  readonly #measurer = new TreeWorker();
  readonly #closing = new AbortController();
  readonly #usage = new Map<string, number>();
  /** by `<user>/<volume>`, as last measured */
  readonly #sizes = new Map<string, Measure>();
  readonly #measuring = new Map<string, { running?: Promise<number>; next?: Promise<number> }>();

  constructor(options: VolumesOptions) {
    this.root = path.resolve(options.root);
    this.incoming = path.join(this.root, ".incoming");
    this.#database = options.database;
    this.#floor = options.freeFloorBytes ?? LIMITS.freeFloorBytes;
    this.log = options.log;
    // Only this agent (and the engine it mounts by) walks through here; the volumes in it are open to any uid.
    fs.mkdirSync(this.root, { recursive: true, mode: 0o711 });
    fs.mkdirSync(this.incoming, { recursive: true, mode: 0o700 });
    this.trash = new Trash(path.join(this.root, ".trash"));
    this.hashes = new KnownHashes(options.cache);
    // user names contain no dot, and a volume's hashes do: they share no name
    this.listings = new Listings(path.join(options.cache, "listings"));
    migrate(options.database);
  }

  /** Path of the volume for a mount, whether it exists or not. @throws TypeError for names that are none */
  directoryOf(user: string, volume: string): string {
    if (!USER.test(user) || !isVolumeName(volume)) throw new TypeError(`no volume: ${user}/${volume}`);
    return path.join(this.root, user, volume);
  }

  /**
   * Makes the volume if it is missing, writable for any uid, durable when it returns. Gives its path.
   * @param most see {@link over}; it is kept only for one that is made
   */
  ensure(user: string, volume: string, most?: number): string {
    const target = this.directoryOf(user, volume);
    this.ensureAll(user, [volume], most);
    return target;
  }

  /** The same for several volumes of the user, for which the disk is then waited for once. */
  ensureAll(user: string, volumes: readonly string[], most?: number): void {
    for (const volume of volumes) this.directoryOf(user, volume);
    using root = Directory.open(this.root);
    using home = root.makeDirectory(user, 0o711);
    const missing = volumes.filter((volume) => !hasDirectory(home, volume));
    if (missing.length === 0) return;
    const insert = this.#database.prepare(INSERT);
    transaction(this.#database, () => {
      for (const volume of missing) insert.run(user, volume, Date.now(), most ?? null);
    });
    for (const volume of missing) home.makeDirectory(volume, 0o777).close();
    home.sync();
    root.sync();
  }

  /**
   * Makes a directory, `name` in `from`, the volume, which does not exist yet; durable when it returns.
   * @param most see {@link over}
   */
  adopt(user: string, volume: string, from: Directory, name: string, most?: number): void {
    this.directoryOf(user, volume);
    using root = Directory.open(this.root);
    using home = root.makeDirectory(user, 0o711);
    this.#database.prepare(INSERT).run(user, volume, Date.now(), most ?? null);
    from.rename(name, home, volume);
    home.sync();
    root.sync();
  }

  exists(user: string, volume: string): boolean {
    const directory = this.open(user, volume);
    directory?.close();
    return directory !== undefined;
  }

  /** Opens the volume's root for the caller to close; undefined when the user has no such volume. */
  open(user: string, volume: string): Directory | undefined {
    this.directoryOf(user, volume);
    try {
      using root = Directory.open(this.root);
      using home = root.openDirectory(user);
      return home.openDirectory(volume);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return undefined;
      throw error;
    }
  }

  /** The user's volumes by name, measured now. */
  async listVolumes(user: string, signal?: AbortSignal): Promise<VolumeInfo[]> {
    const out: VolumeInfo[] = [];
    let total = 0;
    for (const name of this.names(user)) {
      const measured = await this.#measure(user, name, signal);
      if (measured === undefined) continue;
      total += measured.allocated;
      out.push({ name, size: measured.size, created: this.#created(user, name) });
    }
    this.#usage.set(user, total);
    return out;
  }

  /**
   * Moves the volume to the trash, durably; the caller then deletes `id` from the trash. False when there is no such
   * volume.
   */
  takeAway(user: string, volume: string, id: string): boolean {
    try {
      using root = Directory.open(this.root);
      using home = root.openDirectory(user);
      this.trash.take(home, volume, id);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return false;
      throw error;
    }
    this.#forget(user, [volume]);
    return true;
  }

  /**
   * The same for several volumes of the user, without waiting for the disk: after a power cut they may be there again,
   * and the caller takes them away again. One that is not there is no error.
   * @param ids what each is called in the trash, by its name
   */
  takeAllAway(user: string, ids: ReadonlyMap<string, string>): void {
    try {
      using root = Directory.open(this.root);
      using home = root.openDirectory(user);
      this.trash.takeAll(home, ids);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return;
      throw error;
    }
    withoutSync(this.#database, () => this.#forget(user, [...ids.keys()]));
  }

  #forget(user: string, volumes: readonly string[]): void {
    const row = this.#database.prepare("DELETE FROM volumes WHERE user = ? AND volume = ?");
    transaction(this.#database, () => {
      for (const volume of volumes) row.run(user, volume);
    });
    for (const volume of volumes) {
      this.#sizes.delete(`${user}/${volume}`);
      this.hashes.forget(user, volume);
      this.listings.forget(user, volume);
    }
  }

  /**
   * Deletes a volume with everything in it; one that is not there is no error.
   * @param id its name in the trash, which no other deletion uses
   */
  async deleteVolume(user: string, volume: string, id: string): Promise<void> {
    this.directoryOf(user, volume);
    this.takeAway(user, volume, id);
    await this.trash.empty(id);
    await this.measure(user);
  }

  /** Bytes on disk of all the user's volumes as last measured: 0 before the first {@link measure}. */
  usage(user: string): number {
    return this.#usage.get(user) ?? 0;
  }

  /** Was the user's usage measured since this agent process started? */
  isMeasured(user: string): boolean {
    return this.#usage.has(user);
  }

  /** Counts bytes that were just written, until the next measure. */
  count(user: string, bytes: number): void {
    this.#usage.set(user, this.usage(user) + bytes);
  }

  /** Measures all the user's volumes as they are from now on, in a worker: a measurement under way is not reused. */
  measure(user: string): Promise<number> {
    const { running, next } = this.#measuring.get(user) ?? {};
    if (next !== undefined) return next;
    const begun = (running ?? Promise.resolve())
      .catch(() => undefined)
      .then(() => {
        const now = this.#measureAll(user);
        this.#measuring.set(user, { running: now });
        return now;
      });
    this.#measuring.set(user, { running, next: begun });
    return begun.finally(() => {
      if (this.#measuring.get(user)?.next === undefined) this.#measuring.delete(user);
    });
  }

  /** Bytes on disk beneath a directory of the host that is not a volume, such as one of the engine's. */
  async measurePath(directory: string): Promise<number> {
    using opened = Directory.open(directory);
    return await this.measureDirectory(opened);
  }

  /** The same of one that is open. */
  async measureDirectory(directory: Directory): Promise<number> {
    return chargeOf(await this.#measurer.measure(directory));
  }

  users(): string[] {
    return fs.readdirSync(this.root).filter((name) => USER.test(name));
  }

  /** Bytes that may still be written above the free-space floor; negative below it. */
  room(): number {
    return freeBytes(this.root) - this.#floor;
  }

  /** Files and directories that may still be made above their floor; infinite where the file system sets no limit. */
  roomForEntries(): number {
    const { files, ffree } = fs.statfsSync(this.root);
    // file systems that create inodes on demand report zero of them
    return files > 0 ? ffree - LIMITS.freeFloorEntries : Number.POSITIVE_INFINITY;
  }

  /** Bytes free on the volumes' file system. */
  free(): number {
    return freeBytes(this.root);
  }

  /** @throws PerigeeError STORAGE_FULL when `bytes` more would leave less than the free-space floor */
  assertRoom(bytes: number): void {
    if (this.room() < bytes) throw atFreeSpaceFloor();
  }

  /** @throws PerigeeError STORAGE_FULL when the file system cannot hold `count` files and directories more */
  assertEntries(count: number): void {
    const { files, ffree } = fs.statfsSync(this.root);
    // file systems that create inodes on demand report zero of them
    if (files > 0 && ffree < count) {
      throw new PerigeeError("STORAGE_FULL", "The edge's disk can hold no more files");
    }
  }

  /**
   * Moves what was received for `command` to the trash, as `<command>.incoming`.
   * @param isDurable without it a power cut may bring it back, for its command or for the sweep at the agent's start
   */
  discardIncoming(command: string, isDurable = true): void {
    try {
      using incoming = Directory.open(this.incoming);
      const id = `${command}.incoming`;
      if (isDurable) this.trash.take(incoming, command, id);
      else this.trash.takeAll(incoming, new Map([[command, id]]));
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
    }
  }

  /** Deletes what is left of uplinks and deletions of commands that are over; at the agent's start. */
  async sweepIncoming(keep: ReadonlySet<string>): Promise<void> {
    {
      using incoming = Directory.open(this.incoming);
      for (const name of incoming.names()) {
        if (!keep.has(name)) this.trash.take(incoming, name, `${name}.swept-${Date.now()}`);
      }
    }
    await this.trash.sweep(keep, this.closing, (name, error) => {
      this.log.warn({ err: error, name }, "what an earlier command left could not be removed");
    });
  }

  /** The worker that lists. */
  get lister(): TreeWorker {
    return this.#lister;
  }

  /** Aborts when the volumes are closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** The user's volumes that held more than they may when they were measured last. */
  over(user: string): string[] {
    const bounded = this.#database
      .prepare("SELECT volume, most FROM volumes WHERE user = ? AND most IS NOT NULL")
      .all(user);
    return bounded.flatMap(({ volume, most }) => {
      const measured = this.#sizes.get(`${user}/${volume}`);
      return measured && heldBy(measured) > Number(most) ? [String(volume)] : [];
    });
  }

  /** Stops what runs in the background. */
  async close(): Promise<void> {
    this.#closing.abort(new Error("the volumes are closed"));
    await Promise.all([this.#lister.close(), this.#measurer.close()]);
  }

  /** The user's volumes with the sizes that were measured last; those never measured are left out. */
  measured(user: string): VolumeInfo[] {
    return this.names(user).flatMap((name) => {
      const measured = this.#sizes.get(`${user}/${name}`);
      return measured ? [{ name, size: measured.size, created: this.#created(user, name) }] : [];
    });
  }

  async #measureAll(user: string): Promise<number> {
    let total = 0;
    for (const name of this.names(user)) total += chargeOf(await this.#measure(user, name));
    this.#usage.set(user, total);
    return total;
  }

  async #measure(user: string, volume: string, signal?: AbortSignal): Promise<Measure | undefined> {
    using directory = this.open(user, volume);
    if (directory === undefined) {
      this.#sizes.delete(`${user}/${volume}`);
      return undefined;
    }
    const measured = await this.#measurer.measure(directory, signal);
    this.#sizes.set(`${user}/${volume}`, measured);
    if (measured.truncated) this.log.warn({ user, volume }, "a volume is too deep to be measured whole");
    return measured;
  }

  /** Names of the user's volumes, with their spaces. */
  names(user: string): string[] {
    if (!USER.test(user)) return [];
    try {
      using root = Directory.open(this.root);
      using home = root.openDirectory(user);
      return home.names().filter(isVolumeName).sort();
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  }

  #created(user: string, volume: string): number {
    const row = this.#database
      .prepare("SELECT created FROM volumes WHERE user = ? AND volume = ?")
      .get(user, volume);
    if (row !== undefined) return Number(row.created);
    // made by hand, or before this database existed: the file system's time is the best there is
    return Math.floor(
      fs.statSync(this.directoryOf(user, volume), { throwIfNoEntry: false })?.birthtimeMs ?? 0,
    );
  }
}

/** A volume's name, with its space if it is in one (`data.kabuto`). */
function isVolumeName(name: string): boolean {
  const [volume = "", ...spaces] = name.split(".");
  return LABEL.test(volume) && spaces.length <= 1 && spaces.every((own) => space.safeParse(own).success);
}

/** The bytes that a volume counts against the quota: more than any quota when it is too deep to be measured. */
function chargeOf(measured: Measure | undefined): number {
  return measured?.truncated ? UNMEASURABLE_BYTES : (measured?.allocated ?? 0);
}

/**
 * The bytes that count against a volume's own bound: what small files take on the disk beyond their length does not,
 * for their first data was accepted by its length, and holes do not, for nobody wrote them.
 */
function heldBy({ size, allocated, truncated }: Measure): number {
  return truncated ? UNMEASURABLE_BYTES : Math.min(size, allocated);
}

function hasDirectory(home: Directory, name: string): boolean {
  try {
    home.openDirectory(name).close();
    return true;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}
