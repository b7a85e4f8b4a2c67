import path from "node:path";
import type { DeviceFiles } from "./device-files.ts";
import { type DeviceProbe, type DeviceState, LoadError } from "./fpga-programmer.ts";
import { KernelLog } from "./kernel-log.ts";

const KERNEL_LOG = "dev/kmsg";
const CLASS = "sys/class/fpga_manager";
const FIRMWARE_PATH = "sys/module/firmware_class/parameters/path";
const FIRMWARE = "lib/firmware";
const MANAGER = /^[A-Za-z0-9_-]{1,32}$/;
const OPERATING = "operating";
const TOLD = 200;
/** Drivers of the Zynq-7000, which take streams in the processor's byte order only. */
const ZYNQ = /zynq fpga manager/i;
const ZYNQMP = /zynqmp/i;

/** A name that leads to no other directory, and is no option of a tool. */
export const BARE_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/;

/** The kernel's manager of one device, as its directory in sysfs shows it. */
export class FpgaManager {
  readonly #root: string;
  readonly #name: string | undefined;
  readonly #files: DeviceFiles;
  readonly #needed: readonly string[];

  /**
   * @param options.root replaces `/` for every path
   * @param options.name default: the first by name that has every one of `needed`
   * @throws Error for what is no manager's name
   */
  constructor(options: {
    root: string;
    name?: string | undefined;
    files: DeviceFiles;
    needed: readonly string[];
  }) {
    const { root, name, files, needed } = options;
    if (name !== undefined && !MANAGER.test(name))
      throw new Error(`${JSON.stringify(name)} is no FPGA manager`);
    this.#root = root;
    this.#name = name;
    this.#files = files;
    this.#needed = needed;
  }

  /** Its directory; undefined when there is none with what is needed. */
  async find(): Promise<string | undefined> {
    const directory = path.join(this.#root, CLASS);
    const names = this.#name === undefined ? (await this.#files.names(directory)).sort() : [this.#name];
    for (const name of names.filter((one) => MANAGER.test(one))) {
      const manager = path.join(directory, name);
      const there = await Promise.all(
        this.#needed.map((file) => this.#files.exists(path.join(manager, file))),
      );
      if (there.every(Boolean)) return manager;
    }
    return undefined;
  }

  /** @throws LoadError NO_DEVICE */
  async found(): Promise<string> {
    const manager = await this.find();
    if (manager === undefined)
      throw new LoadError("NO_DEVICE", `there is no FPGA manager with ${this.#needed.join(" and ")}`);
    return manager;
  }

  /** What is found of a device behind this manager. The driver says which formats it takes. */
  async probed(manager: string, adapter: string): Promise<DeviceProbe> {
    const driver = await this.driver(manager);
    const isZynq = driver !== undefined && ZYNQ.test(driver) && !ZYNQMP.test(driver);
    return {
      adapter,
      ...(driver !== undefined && { driver }),
      formats: isZynq ? ["xilinx-bin-le"] : ["xilinx-bin-be", "xilinx-bin-le"],
    };
  }

  /** What the driver calls itself. */
  async driver(manager: string): Promise<string | undefined> {
    const name = await this.#files.read(path.join(manager, "name")).catch(() => undefined);
    return name?.slice(0, TOLD);
  }

  async stateOf(manager: string): Promise<DeviceState> {
    const [state, status] = await Promise.all(
      ["state", "status"].map((name) => this.#files.read(path.join(manager, name))),
    );
    return { state: (state ?? "unknown").slice(0, TOLD), ...(status && { status: status.slice(0, TOLD) }) };
  }

  /** What the device is after a load. @throws LoadError LOAD_FAILED when it does not work */
  async working(manager: string): Promise<DeviceState> {
    const driver = await this.stateOf(manager);
    if (driver.state === OPERATING) return driver;
    throw new LoadError("LOAD_FAILED", `the device is ${told(driver)} after the load`, { driver });
  }

  /** Where the kernel looks for files by their bare names. */
  async firmwareDirectory(): Promise<string> {
    const own = await this.#files.read(path.join(this.#root, FIRMWARE_PATH)).catch(() => undefined);
    return path.join(this.#root, own || FIRMWARE);
  }

  /** Does a load by a manager (its directory). @throws what it throws; LOAD_FAILED with what the kernel said of it meanwhile */
  async load<T>(manager: string, work: () => Promise<T>): Promise<T> {
    const kernel = new KernelLog(path.join(this.#root, KERNEL_LOG));
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof LoadError) || error.code !== "LOAD_FAILED") throw error;
      const lines = kernel.lines(path.basename(manager));
      if (lines.length === 0) throw error;
      const { message, driver } = error;
      throw new LoadError("LOAD_FAILED", `${message}; the kernel: ${lines.join("; ")}`, {
        ...(driver && { driver }),
        cause: error,
      });
    } finally {
      kernel.close();
    }
  }

  /** Does one step of a load. @throws LoadError LOAD_FAILED with the system's error, and what the device says meanwhile */
  async step(what: string, manager: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (cause) {
      if (cause instanceof LoadError) throw cause;
      const driver = await this.stateOf(manager).catch(() => undefined);
      const code = (cause as NodeJS.ErrnoException).code ?? (cause as Error).message;
      throw new LoadError(
        "LOAD_FAILED",
        `${what} failed with ${code}${driver ? `, the device is ${told(driver)}` : ""}`,
        { ...(driver && { driver }), cause },
      );
    }
  }
}

const told = ({ state, status }: DeviceState) =>
  `${JSON.stringify(state)}${status ? ` (${JSON.stringify(status)})` : ""}`;
