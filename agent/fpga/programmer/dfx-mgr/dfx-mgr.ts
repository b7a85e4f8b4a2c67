import path from "node:path";
import { type DeviceFiles, deviceFiles } from "../device-files.ts";
import { BARE_NAME, FpgaManager } from "../fpga-manager.ts";
import {
  type DeviceProbe,
  type DeviceState,
  type FpgaProgrammer,
  LoadError,
  type LoadFile,
  type LoadOptions,
} from "../fpga-programmer.ts";
import { runTool, toldBy } from "../run-tool.ts";

export type DfxMgrOptions = {
  /** the operator's package: its name, its directory (absolute, not beneath `root`), and the file in it that is loaded */
  package: { name: string; directory: string; bitstream: string };
  /** replaces `/` for every other path (default `/`) */
  root?: string;
  manager?: string;
  /** default: the file system's own */
  files?: DeviceFiles;
};

const CLIENT = "dfx-mgr-client";
const PROBE_MS = 10_000;
const SLOT = /slot\D{0,20}(\d{1,4})/i;

/** A device behind the vendor's daemon, which loads packages of the operator's; the file in it is the user's. */
export class DfxMgr implements FpgaProgrammer {
  readonly #package: DfxMgrOptions["package"];
  readonly #files: DeviceFiles;
  readonly #manager: FpgaManager;

  /** @throws Error for what is no bare name */
  constructor({ package: own, root = "/", manager, files = deviceFiles }: DfxMgrOptions) {
    for (const name of [own.name, own.bitstream])
      if (!BARE_NAME.test(name)) throw new Error(`${JSON.stringify(name)} is no bare name`);
    this.#package = own;
    this.#files = files;
    this.#manager = new FpgaManager({ root, files, needed: ["state"], name: manager });
  }

  async probe(): Promise<DeviceProbe | undefined> {
    const listed = await runTool(CLIENT, ["-listPackage"], { timeoutMs: PROBE_MS });
    if (listed.code === "ENOENT") return undefined;
    const manager = await this.#manager.find();
    if (manager === undefined) return undefined;
    return this.#manager.probed(manager, "dfx-mgr");
  }

  async load(file: LoadFile, options: LoadOptions): Promise<DeviceState> {
    const manager = await this.#manager.found();
    return this.#manager.load(manager, () => this.#load(manager, file, options));
  }

  async current(): Promise<DeviceState> {
    return this.#manager.stateOf(await this.#manager.found());
  }

  async #load(manager: string, file: LoadFile, { signal }: LoadOptions): Promise<DeviceState> {
    const { name, directory, bitstream } = this.#package;
    const copy = path.join(directory, bitstream);
    try {
      const part = { start: file.payloadAt, bytes: file.payloadBytes };
      await this.#manager.step("copying the file into the package", manager, () =>
        this.#files.copy(file.path, copy, part),
      );
      signal.throwIfAborted();
      const slot = await this.#slot(signal);
      if (slot !== undefined) await this.#client(["-remove", slot], signal);
      signal.throwIfAborted();
      const output = await this.#client(["-load", name], signal);
      if (!SLOT.test(output))
        throw new LoadError("LOAD_FAILED", `${CLIENT} -load named no slot: ${toldBy({ code: 0, output })}`);
      return await this.#manager.working(manager);
    } finally {
      await this.#files.remove(copy).catch(() => {});
    }
  }

  /** The slot that the package is in, as the last column of its row says; -1 is none. */
  async #slot(signal: AbortSignal): Promise<string | undefined> {
    const listed = await this.#client(["-listPackage"], signal);
    const row = listed.split("\n").find((line) => line.trim().split(/\s+/)[0] === this.#package.name);
    return /\s(\d{1,4}),?\s*$/.exec(row ?? "")?.[1];
  }

  /** @throws LoadError LOAD_FAILED; the reason of `signal` */
  async #client(args: readonly string[], signal: AbortSignal): Promise<string> {
    const end = await runTool(CLIENT, args, { signal });
    signal.throwIfAborted();
    if (end.code === 0) return end.output;
    throw new LoadError("LOAD_FAILED", `${CLIENT} ${args[0]} ended with ${toldBy(end)}`);
  }
}
