import { randomUUID } from "node:crypto";
import fs from "node:fs";
import type { Logger } from "pino";
import { killPoint } from "#protocol/kill-point.ts";
import { USER } from "#protocol/names.ts";
import { Serial } from "#protocol/serial.ts";
import type { Budget } from "../budget/budget.ts";
import { Directory, isErrno } from "../files/directory.ts";
import { atFreeSpaceFloor } from "../files/free-space.ts";
import type { Volumes } from "../volumes/volumes.ts";

type Deps = {
  /** whose file system it is: what is kept is only renamed */
  volumes: Pick<Volumes, "root" | "trash" | "room" | "measureDirectory">;
  log: Logger;
  /** in ms since 1970; default: the machine's clock */
  now?(): number;
};

/** A directory `name` in `from` that is to be kept. */
export type FailedBuild = { user: string; command: string; from: Directory; name: string };

type Entry = { command: string; keptAt: number };

const PLACE = ".failed-builds";
const COMMAND = /^[0-9A-Z]{26}$/;
/** Of each user so many are kept, each for so long. */
const MOST = 8;
const KEPT_MS = 24 * 60 * 60 * 1000;

/**
 * What failed builds left for the operator: `<volumes>/.failed-builds/<user>/<command>/`, for 24 h and of each user the
 * newest eight. An entry appears and disappears by one rename, so it is never there in part. It is not changed
 * after that, so it is measured once.
 */
export class FailedBuilds {
  readonly #deps: Deps;
  /** bytes on disk by `<user>/<command>` */
  readonly #sizes = new Map<string, number>();
  readonly #turns = new Serial();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Users of whom something is kept. */
  users(): string[] {
    using place = this.#place();
    return place?.names().filter((name) => USER.test(name)) ?? [];
  }

  /** Bytes that are kept of the user; undefined when they were not measured yet. */
  usage(user: string): number | undefined {
    let sum = 0;
    for (const { command } of this.#entriesOf(user)) {
      const bytes = this.#sizes.get(`${user}/${command}`);
      if (bytes === undefined) return undefined;
      sum += bytes;
    }
    return sum;
  }

  /** As {@link usage}, with what was not measured yet. */
  async measure(user: string): Promise<number> {
    let sum = 0;
    for (const { command } of this.#entriesOf(user)) sum += await this.#sizeOf(user, command);
    return sum;
  }

  /**
   * Takes a directory away from where it is and keeps it, in place of what an earlier try of its command left; the
   * oldest goes when there are too many.
   * @throws PerigeeError QUOTA_EXCEEDED, STORAGE_FULL; the directory is then where it was
   */
  keep({ user, command, from, name }: FailedBuild, budget: Budget): Promise<void> {
    return this.#turns.run(user, async () => {
      const { volumes } = this.#deps;
      const bytes = await this.#measured(from, name);
      const there = this.#entriesOf(user);
      const others = there.filter((entry) => entry.command !== command);
      const going = others.slice(MOST - 1);
      const replaced = there.filter((entry) => entry.command === command);
      let freed = 0;
      for (const entry of [...going, ...replaced]) freed += await this.#sizeOf(user, entry.command);
      if (volumes.room() <= 0) throw atFreeSpaceFloor();
      using reserved = await budget.reserve(user, bytes - freed);
      const trashed = await reserved.land(async () => {
        using root = Directory.open(volumes.root);
        using place = root.makeDirectory(PLACE, 0o700);
        using home = place.makeDirectory(user, 0o700);
        const gone = this.#takeAway(home, user, replaced);
        using directory = from.openDirectory(name);
        this.#stamp(directory);
        killPoint("compile.keeping");
        from.rename(name, home, command);
        for (const one of [home, place, root]) one.sync();
        this.#sizes.set(`${user}/${command}`, bytes);
        killPoint("compile.kept");
        return [...gone, ...this.#takeAway(home, user, going)];
      });
      await this.#empty(trashed);
    });
  }

  /**
   * Removes what is too old, and what is too much of a user since a death of the agent. Never throws.
   * @returns users who had some of it
   */
  async tidy(): Promise<string[]> {
    const tidied: string[] = [];
    try {
      for (const user of this.users()) {
        if (await this.#turns.run(user, () => this.#tidyOne(user))) tidied.push(user);
      }
    } catch (error) {
      this.#deps.log.warn({ err: error }, "what failed builds left could not be removed");
    }
    return tidied;
  }

  async #tidyOne(user: string): Promise<boolean> {
    const now = this.#now();
    // one of the future was kept before the clock was set back
    const isOld = ({ keptAt }: Entry) => Math.abs(now - keptAt) >= KEPT_MS;
    const going = this.#entriesOf(user).filter((one, i) => i >= MOST || isOld(one));
    using place = this.#place();
    if (!place) return false;
    let trashed: string[];
    {
      using home = place.openDirectory(user);
      trashed = this.#takeAway(home, user, going);
    }
    try {
      place.removeDirectory(user);
    } catch (error) {
      if (!isErrno(error, "ENOTEMPTY", "EEXIST")) throw error;
    }
    await this.#empty(trashed);
    return going.length > 0;
  }

  /** @returns what to empty from the trash */
  #takeAway(home: Directory, user: string, entries: readonly Entry[]): string[] {
    const ids = new Map(entries.map(({ command }) => [command, `${command}.failed-build-${randomUUID()}`]));
    this.#deps.volumes.trash.takeAll(home, ids);
    if (ids.size > 0) home.sync();
    for (const command of ids.keys()) this.#sizes.delete(`${user}/${command}`);
    return [...ids.values()];
  }

  /** What is left of it goes at the agent's next start. */
  async #empty(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      await this.#deps.volumes.trash.empty(id).catch((error: unknown) => {
        this.#deps.log.warn({ err: error, name: id }, "what failed builds left could not be removed");
      });
    }
  }

  /** Newest first. */
  #entriesOf(user: string): Entry[] {
    using place = this.#place();
    if (!place?.has(user)) return [];
    using home = place.openDirectory(user);
    const entries = home.names().flatMap((command) => {
      if (!COMMAND.test(command)) return [];
      // the operator may be removing it
      const stats = fs.lstatSync(home.at(command), { throwIfNoEntry: false });
      return stats?.isDirectory() ? [{ command, keptAt: stats.mtimeMs }] : [];
    });
    return entries.sort((a, b) => b.keptAt - a.keptAt || (a.command < b.command ? 1 : -1));
  }

  async #sizeOf(user: string, command: string): Promise<number> {
    const known = this.#sizes.get(`${user}/${command}`);
    if (known !== undefined) return known;
    using place = this.#place();
    if (!place?.has(user)) return 0;
    using home = place.openDirectory(user);
    try {
      const bytes = await this.#measured(home, command);
      if (home.has(command)) this.#sizes.set(`${user}/${command}`, bytes);
      return bytes;
    } catch (error) {
      if (isErrno(error, "ENOENT")) return 0;
      throw error;
    }
  }

  async #measured(holder: Directory, name: string): Promise<number> {
    using directory = holder.openDirectory(name);
    return await this.#deps.volumes.measureDirectory(directory);
  }

  #place(): Directory | undefined {
    using root = Directory.open(this.#deps.volumes.root);
    return root.has(PLACE) ? root.openDirectory(PLACE) : undefined;
  }

  #now(): number {
    return (this.#deps.now ?? Date.now)();
  }

  #stamp(directory: Directory): void {
    const now = this.#now() / 1000;
    fs.futimesSync(directory.fd, now, now);
    directory.sync();
  }
}
