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

export type OverlayOptions = {
  /** the operator's compiled overlay: absolute, not beneath `root`. A user's would map any memory */
  dtbo: string;
  /** the `firmware-name` in it */
  firmware: string;
  /** replaces `/` for every other path (default `/`) */
  root?: string;
  manager?: string;
  /** default: the file system's own */
  files?: DeviceFiles;
};

const OVERLAYS = "sys/kernel/config/device-tree/overlays";
const REGIONS = "sys/class/fpga_region";
/** Of ours alone: what others have applied stays. */
const OVERLAY = "perigee";
const APPLIED = "applied";

/**
 * A device behind an FPGA region, which the kernel programs when an overlay for it is applied. Whether a part is
 * programmed is said by the operator's overlay.
 */
export class Overlay implements FpgaProgrammer {
  readonly #options: Required<Omit<OverlayOptions, "manager">>;
  readonly #manager: FpgaManager;

  /** @throws Error for a `firmware` that is no bare name, or what is no manager's name */
  constructor({ root = "/", manager, files = deviceFiles, ...own }: OverlayOptions) {
    if (!BARE_NAME.test(own.firmware))
      throw new Error(`${JSON.stringify(own.firmware)} is no bare file name`);
    this.#options = { root, files, ...own };
    this.#manager = new FpgaManager({ root, files, needed: ["state"], name: manager });
  }

  async probe(): Promise<DeviceProbe | undefined> {
    const { files, root } = this.#options;
    const manager = await this.#manager.find();
    const regions = await files.names(path.join(root, REGIONS));
    if (manager === undefined || regions.length === 0 || !(await files.exists(path.join(root, OVERLAYS))))
      return undefined;
    return this.#manager.probed(manager, "overlay");
  }

  async load(file: LoadFile, options: LoadOptions): Promise<DeviceState> {
    const manager = await this.#manager.found();
    return this.#manager.load(manager, () => this.#load(manager, file, options));
  }

  async current(): Promise<DeviceState> {
    return this.#manager.stateOf(await this.#manager.found());
  }

  async #load(manager: string, file: LoadFile, { signal }: LoadOptions): Promise<DeviceState> {
    const { files, root, dtbo, firmware } = this.#options;
    const copy = path.join(await this.#manager.firmwareDirectory(), firmware);
    const overlay = path.join(root, OVERLAYS, OVERLAY);
    const step = (what: string, work: () => Promise<void>) => this.#manager.step(what, manager, work);
    try {
      const part = { start: file.payloadAt, bytes: file.payloadBytes };
      await step("copying the file for the driver", () => files.copy(file.path, copy, part));
      signal.throwIfAborted();
      await step("removing the overlay before", () => files.removeDirectory(overlay));
      signal.throwIfAborted();
      await step("making the overlay", () => files.makeDirectory(overlay));
      await step("the driver", () => files.writeFrom(dtbo, path.join(overlay, "dtbo")));
      const status = await files.read(path.join(overlay, "status"));
      if (status !== APPLIED)
        throw new LoadError("LOAD_FAILED", `the overlay is ${JSON.stringify(status ?? "")} after the load`, {
          driver: await this.#manager.stateOf(manager),
        });
      return await this.#manager.working(manager);
    } finally {
      await files.remove(copy).catch(() => {});
    }
  }
}
