import path from "node:path";
import { type DeviceFiles, deviceFiles } from "../device-files.ts";
import { FpgaManager } from "../fpga-manager.ts";
import {
  assertDigest,
  type DeviceProbe,
  type DeviceState,
  type FpgaProgrammer,
  type LoadFile,
  type LoadOptions,
} from "../fpga-programmer.ts";

export type XilinxSysfsOptions = {
  /** replaces `/` for every path (default `/`) */
  root?: string;
  /** name of the device's manager (default: the only one, the first by name) */
  manager?: string;
  /** default: the file system's own */
  files?: DeviceFiles;
};

/** Bit of `flags`: only a part of the device is programmed. */
const PARTIAL = "1";
const FULL = "0";

/**
 * A device behind the FPGA manager of a vendor's kernel, which loads a file by its name when that is written to
 * `firmware`. A mainline kernel has no such file: there is nothing to load with.
 *
 * A load has succeeded when the write has **and** the state is `operating` afterwards. What the state was before, or what
 * an earlier load left, counts for nothing.
 */
export class XilinxSysfs implements FpgaProgrammer {
  readonly #manager: FpgaManager;
  readonly #files: DeviceFiles;

  /** @throws Error for what is no manager's name */
  constructor({ root = "/", manager, files = deviceFiles }: XilinxSysfsOptions = {}) {
    const needed = ["firmware", "flags"];
    this.#manager = new FpgaManager({ root, files, needed, name: manager });
    this.#files = files;
  }

  async probe(): Promise<DeviceProbe | undefined> {
    const manager = await this.#manager.find();
    return manager === undefined ? undefined : this.#manager.probed(manager, "xilinx-sysfs");
  }

  async load(file: LoadFile, options: LoadOptions): Promise<DeviceState> {
    const manager = await this.#manager.found();
    return this.#manager.load(manager, () => this.#load(manager, file, options));
  }

  async current(): Promise<DeviceState> {
    return this.#manager.stateOf(await this.#manager.found());
  }

  async #load(manager: string, file: LoadFile, { partial, signal }: LoadOptions): Promise<DeviceState> {
    assertDigest(file);
    const name = `perigee-${file.sha256}.bin`;
    const copy = path.join(await this.#manager.firmwareDirectory(), name);
    const step = (what: string, work: () => Promise<void>) => this.#manager.step(what, manager, work);
    try {
      const part = { start: file.payloadAt, bytes: file.payloadBytes };
      await step("copying the file for the driver", () => this.#files.copy(file.path, copy, part));
      signal.throwIfAborted();
      const flags = partial ? PARTIAL : FULL;
      await step("setting the driver's flags", () => this.#files.write(path.join(manager, "flags"), flags));
      signal.throwIfAborted();
      await step("the driver", () => this.#files.write(path.join(manager, "firmware"), name));
      return await this.#manager.working(manager);
    } finally {
      await this.#files.remove(copy).catch(() => {});
    }
  }
}
