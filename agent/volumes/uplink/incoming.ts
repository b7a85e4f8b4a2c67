import fs, { fsync } from "node:fs";
import { promisify } from "node:util";
import { killPoint } from "#protocol/kill-point.ts";
import type { StagedFile } from "#protocol/operations.ts";
import { Directory, isErrno } from "../../files/directory.ts";
import { planOf } from "./plan.ts";

const PLAN = "plan.json";

/**
 * `<incoming>/<command>/`: an uplink while it is received. `plan.json` has the target of every file, `<n>` is a
 * complete file (checked and durable), `<n>.part` one that is being received. Only the agent can reach it.
 */
export class Incoming {
  readonly directory: Directory;
  readonly plan: readonly StagedFile[];

  private constructor(directory: Directory, plan: readonly StagedFile[]) {
    this.directory = directory;
    this.plan = plan;
  }

  /** The uplink that an earlier attempt left; undefined without one that has a plan. */
  static resume(incoming: string, command: string): Incoming | undefined {
    let directory: Directory;
    try {
      using all = Directory.open(incoming);
      directory = all.openDirectory(command);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return undefined;
      throw error;
    }
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

  /** Creates the directory for an uplink; its plan is durable when this returns. */
  static async begin(incoming: string, command: string, plan: StagedFile[]): Promise<Incoming> {
    using all = Directory.open(incoming);
    const directory = all.makeDirectory(command, 0o700);
    try {
      const fd = fs.openSync(directory.at(`${PLAN}.part`), "w", 0o600);
      try {
        fs.writeFileSync(fd, JSON.stringify(plan));
        await promisify(fsync)(fd);
      } finally {
        fs.closeSync(fd);
      }
      killPoint("uplink.planned");
      directory.rename(`${PLAN}.part`, directory, PLAN);
      directory.sync();
      all.sync();
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
