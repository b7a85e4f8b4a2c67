import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pino } from "pino";
import { Budget } from "#agent/budget/budget.ts";
import type { DiskMaker } from "#agent/files/disk-maker.ts";
import type { OperationHandler } from "#agent/operation.ts";
import { type VolumeOperation, volumeHandlers } from "#agent/volumes/handlers.ts";
import type { VolumeDeps } from "#agent/volumes/volume-deps.ts";
import { Volumes } from "#agent/volumes/volumes.ts";
import type { PerigeeError } from "#protocol/errors.ts";
import type { InputOf, ResultOf } from "#protocol/operations.ts";
import { TestCommand } from "./operation-context.ts";

/** Volumes in a directory of their own, and commands for them by user `ann` on the volume `v`. */
export class VolumeWorld {
  readonly base = fs.mkdtempSync(path.join(os.tmpdir(), "volumes-"));
  readonly root = path.join(this.base, "root");
  readonly staging = path.join(this.base, "staging");
  /** bytes that the user may have, and has beside the volumes */
  quota = 2 ** 40;
  elsewhere = 0;
  readonly deps: VolumeDeps & { disks?: DiskMaker } = {
    isVolumeInUse: () => false,
    isDiskInUse: () => false,
    budget: new Budget({
      known: async (user) =>
        this.volumes.isMeasured(user) ? this.volumes.usage(user) + this.elsewhere : undefined,
      measure: async (user) => (await this.volumes.measure(user)) + this.elsewhere,
      quota: () => this.quota,
    }),
  };
  volumes: Volumes;
  #database = new DatabaseSync(path.join(this.base, "state.sqlite"));

  constructor() {
    fs.mkdirSync(this.staging);
    this.volumes = this.#open();
  }

  /** The user's volume on the disk. */
  get volume(): string {
    return path.join(this.root, "ann", "v");
  }

  make(): this {
    this.volumes.ensure("ann", "v");
    return this;
  }

  command<O extends VolumeOperation>(operation: O, input: InputOf<O>): TestCommand<O> {
    return new TestCommand(this.staging, "ann", operation, input);
  }

  uplink(files: Record<string, string | Buffer>): TestCommand<"volume.uplink"> {
    const sizes = Object.values(files).map((content) => Buffer.byteLength(content));
    const bytes = sizes.reduce((a, b) => a + b, 0);
    const command = this.command("volume.uplink", { volume: "v", count: sizes.length, bytes });
    for (const [target, content] of Object.entries(files)) command.stage(target, content);
    return command;
  }

  run<O extends VolumeOperation>(command: TestCommand<O>, signal?: AbortSignal): Promise<ResultOf<O>> {
    const handler = volumeHandlers(this.volumes, this.deps)[command.operation] as OperationHandler<O>;
    return handler(command.context(signal));
  }

  /** The error code that the command ends with. */
  async code<O extends VolumeOperation>(command: TestCommand<O>, signal?: AbortSignal): Promise<string> {
    try {
      await this.run(command, signal);
    } catch (error) {
      return (error as PerigeeError).code;
    }
    return "succeeded";
  }

  /** A new life of the agent on the same disk. */
  async restart(options: { freeFloorBytes?: number } = {}): Promise<void> {
    await this.volumes.close();
    this.#database.close();
    this.#database = new DatabaseSync(path.join(this.base, "state.sqlite"));
    this.volumes = this.#open(options);
  }

  /** Everything in the volume: files with their content, directories with null, links with their target. */
  tree(directory = this.volume, prefix = ""): Record<string, string | null> {
    const out: Record<string, string | null> = {};
    if (!fs.existsSync(directory)) return out;
    // not readdir's own recursion: it follows links
    for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
      const full = path.join(directory, entry.name);
      const name = prefix + entry.name;
      if (entry.isDirectory()) Object.assign(out, { [name]: null }, this.tree(full, `${name}/`));
      else if (entry.isSymbolicLink()) out[name] = `-> ${fs.readlinkSync(full)}`;
      else out[name] = entry.isFile() ? fs.readFileSync(full, "utf8") : "special";
    }
    return out;
  }

  /** Names of what is on its way in or out. */
  leftovers(): string[] {
    return [".incoming", ".trash"].flatMap((name) => fs.readdirSync(path.join(this.root, name)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.volumes.close();
    this.#database.close();
    fs.rmSync(this.base, { recursive: true, force: true });
  }

  #open(options: { freeFloorBytes?: number } = {}): Volumes {
    return new Volumes({
      root: this.root,
      database: this.#database,
      cache: path.join(this.base, "hashes"),
      log: pino({ level: "silent" }),
      freeFloorBytes: 0,
      ...options,
    });
  }
}
