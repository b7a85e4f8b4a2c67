import path from "node:path";
import {
  type DeviceProbe,
  type DeviceState,
  type FpgaProgrammer,
  LoadError,
  type LoadFile,
  type LoadOptions,
} from "../fpga-programmer.ts";
import { type SysfsFiles, sysfsFiles } from "./sysfs-files.ts";

export type XilinxSysfsOptions = {
  /** replaces `/` for every path (default `/`) */
  root?: string;
  /** name of the device's manager (default: the only one, the first by name) */
  manager?: string;
  /** default: the file system's own */
  files?: SysfsFiles;
};

const CLASS = "sys/class/fpga_manager";
const FIRMWARE_PATH = "sys/module/firmware_class/parameters/path";
const FIRMWARE = "lib/firmware";
const MANAGER = /^[A-Za-z0-9_-]{1,32}$/;
const OPERATING = "operating";
/** Bit of `flags`: only a part of the device is programmed. */
const PARTIAL = "1";
const FULL = "0";
/** Drivers of the Zynq-7000, which take streams in the processor's byte order only. */
const ZYNQ = /zynq fpga manager/i;
const ZYNQMP = /zynqmp/i;
const TOLD = 200;

/**
 * A device behind the FPGA manager of a vendor's kernel, which loads a file by its name when that is written to
 * `firmware`. A mainline kernel has no such file: there is nothing to load with.
 *
 * A load has succeeded when the write has **and** the state is `operating` afterwards. What the state was before, or what
 * an earlier load left, counts for nothing.
 */
export class XilinxSysfs implements FpgaProgrammer {
  readonly #root: string;
  readonly #manager: string | undefined;
  readonly #files: SysfsFiles;

  /** @throws Error for what is no manager's name */
  constructor({ root = "/", manager, files = sysfsFiles }: XilinxSysfsOptions = {}) {
    if (manager !== undefined && !MANAGER.test(manager))
      throw new Error(`${JSON.stringify(manager)} is no FPGA manager`);
    this.#root = root;
    this.#manager = manager;
    this.#files = files;
  }

  async probe(): Promise<DeviceProbe | undefined> {
    const manager = await this.#find();
    if (manager === undefined) return undefined;
    const driver = await this.#files.read(path.join(manager, "name")).catch(() => undefined);
    const isZynq = driver !== undefined && ZYNQ.test(driver) && !ZYNQMP.test(driver);
    return {
      adapter: "xilinx-sysfs",
      ...(driver !== undefined && { driver: driver.slice(0, TOLD) }),
      formats: isZynq ? ["xilinx-bin-le"] : ["xilinx-bin-be", "xilinx-bin-le"],
    };
  }

  async load(file: LoadFile, { partial, signal }: LoadOptions): Promise<DeviceState> {
    const manager = await this.#found();
    if (!/^[0-9a-f]{64}$/.test(file.sha256)) throw new LoadError("LOAD_FAILED", "the file has no digest");
    const name = `perigee-${file.sha256}.bin`;
    const copy = path.join(await this.#firmwareDirectory(), name);
    try {
      const part = { start: file.payloadAt, bytes: file.payloadBytes };
      await this.#step("copying the file for the driver", manager, () =>
        this.#files.copy(file.path, copy, part),
      );
      signal.throwIfAborted();
      const flags = partial ? PARTIAL : FULL;
      await this.#step("setting the driver's flags", manager, () =>
        this.#files.write(path.join(manager, "flags"), flags),
      );
      signal.throwIfAborted();
      await this.#step("the driver", manager, () => this.#files.write(path.join(manager, "firmware"), name));
      const driver = await this.#stateOf(manager);
      if (driver.state === OPERATING) return driver;
      throw new LoadError("LOAD_FAILED", `the device is ${told(driver)} after the load`, { driver });
    } finally {
      await this.#files.remove(copy).catch(() => {});
    }
  }

  async current(): Promise<DeviceState> {
    return this.#stateOf(await this.#found());
  }

  /** @throws LoadError LOAD_FAILED with the system's error, and what the device says meanwhile */
  async #step(what: string, manager: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (cause) {
      const driver = await this.#stateOf(manager).catch(() => undefined);
      const code = (cause as NodeJS.ErrnoException).code ?? (cause as Error).message;
      throw new LoadError(
        "LOAD_FAILED",
        `${what} failed with ${code}${driver ? `, the device is ${told(driver)}` : ""}`,
        {
          ...(driver && { driver }),
          cause,
        },
      );
    }
  }

  async #stateOf(manager: string): Promise<DeviceState> {
    const [state, status] = await Promise.all(
      ["state", "status"].map((name) => this.#files.read(path.join(manager, name))),
    );
    return { state: (state ?? "unknown").slice(0, TOLD), ...(status && { status: status.slice(0, TOLD) }) };
  }

  async #firmwareDirectory(): Promise<string> {
    const own = await this.#files.read(path.join(this.#root, FIRMWARE_PATH)).catch(() => undefined);
    return path.join(this.#root, own || FIRMWARE);
  }

  /** @throws LoadError NO_DEVICE */
  async #found(): Promise<string> {
    const manager = await this.#find();
    if (manager === undefined)
      throw new LoadError("NO_DEVICE", "there is no FPGA manager that loads files by their names");
    return manager;
  }

  /** The manager's directory, when it has what a load writes to. */
  async #find(): Promise<string | undefined> {
    const directory = path.join(this.#root, CLASS);
    const names = this.#manager === undefined ? (await this.#files.names(directory)).sort() : [this.#manager];
    for (const name of names.filter((one) => MANAGER.test(one))) {
      const manager = path.join(directory, name);
      const needed = await Promise.all(
        ["firmware", "flags"].map((file) => this.#files.exists(path.join(manager, file))),
      );
      if (needed.every(Boolean)) return manager;
    }
    return undefined;
  }
}

const told = ({ state, status }: DeviceState) =>
  `${JSON.stringify(state)}${status ? ` (${JSON.stringify(status)})` : ""}`;
