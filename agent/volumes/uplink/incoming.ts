import fs, { fsync } from "node:fs";
import { promisify } from "node:util";
import { killPoint } from "#protocol/kill-point.ts";
import type { StagedFile } from "#protocol/operations.ts";
import { Directory, isErrno } from "../../files/directory.ts";
import { planOf } from "./plan.ts";

const PLAN = "plan.json";
/** Its content is the life of the machine in which what lies beside it was written. */
const LIFE = "life";

/**
 * `<incoming>/<command>/`: an uplink while it is received. `plan.json` has the target of every file, `<n>` is a
 * complete file (checked and durable), `<n>.part` one that is being received. Only the agent can reach it.
 *
 * What is of use to its command alone, and can be received again, need not be durable: `life` names the machine's life in
 * which it was begun: in a later one, as a power cut may have left less than it says, all of it is checked anew.
 */
export class Incoming {
  readonly directory: Directory;
  readonly plan: readonly StagedFile[];

  private constructor(directory: Directory, plan: readonly StagedFile[]) {
    this.directory = directory;
    this.plan = plan;
  }

  /** Does what is received into it wait for the disk? */
  get isDurable(): boolean {
    return !this.directory.has(LIFE);
  }

  /** Was it begun in this life of the machine, without being durable? */
  static isOfThisLife(incoming: string, command: string): boolean {
    using directory = opened(incoming, command);
    if (!directory) return false;
    try {
      return fs.readFileSync(directory.at(LIFE), "utf8") === machineLife();
    } catch (error) {
      if (isErrno(error, "ENOENT")) return false;
      throw error;
    }
  }

  /**
   * Of what an earlier life of the machine received without being durable, keeps the content of files, as partial: it is
   * checked when it is gone on with. All else there is removed. Nothing there is no error.
   */
  static async keepContent(incoming: string, command: string): Promise<void> {
    using directory = opened(incoming, command);
    if (!directory) return;
    for (const name of directory.names()) {
      if (/^\d+$/.test(name)) directory.rename(name, directory, `${name}.part`);
      else if (!/^\d+\.part$/.test(name)) {
        await fs.promises.rm(directory.at(name), { recursive: true, force: true });
      }
    }
  }

  /** The uplink that an earlier attempt left; undefined without one that has a plan. */
  static resume(incoming: string, command: string): Incoming | undefined {
    const directory = opened(incoming, command);
    if (!directory) return undefined;
    try {
      const fd = directory.openFile(PLAN);
      try {
        return new Incoming(directory, planOf(JSON.parse(fs.readFileSync(fd, "utf8"))));
      } finally {
        fs.closeSync(fd);
      }
    } catch (error) {
      directory.close();
      if (isErrno(error, "ENOENT")) return undefined;
      throw error;
    }
  }

  /**
   * Creates the directory for an uplink.
   * @param isDurable its plan is, when this returns, and so will be what is received into it
   */
  static async begin(
    incoming: string,
    command: string,
    plan: StagedFile[],
    isDurable = true,
  ): Promise<Incoming> {
    using all = Directory.open(incoming);
    const directory = all.makeDirectory(command, 0o700);
    try {
      if (!isDurable) fs.writeFileSync(directory.at(LIFE), machineLife(), { mode: 0o600 });
      const fd = fs.openSync(directory.at(`${PLAN}.part`), "w", 0o600);
      try {
        fs.writeFileSync(fd, JSON.stringify(plan));
        if (isDurable) await promisify(fsync)(fd);
      } finally {
        fs.closeSync(fd);
      }
      killPoint("uplink.planned");
      directory.rename(`${PLAN}.part`, directory, PLAN);
      if (isDurable) {
        directory.sync();
        all.sync();
      }
      return new Incoming(directory, plan);
    } catch (error) {
      directory.close();
      throw error;
    }
  }

  /** Is file `n` here completely? */
  has(n: number): boolean {
    return this.directory.has(String(n));
  }

  /** Bytes received so far, including partial files. */
  bytes(): number {
    let sum = 0;
    for (const { n } of this.plan) {
      for (const name of [String(n), `${n}.part`]) {
        sum += fs.lstatSync(this.directory.at(name), { throwIfNoEntry: false })?.size ?? 0;
      }
    }
    return sum;
  }

  close(): void {
    this.directory.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** The directory of a command; undefined without one. */
function opened(incoming: string, command: string): Directory | undefined {
  try {
    using all = Directory.open(incoming);
    return all.openDirectory(command);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** Another after each start of the machine. */
function machineLife(): string {
  return fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}
