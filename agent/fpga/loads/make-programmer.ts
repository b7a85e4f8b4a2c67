import type { FpgaDeviceConfig } from "../device-config.ts";
import { DfxMgr } from "../programmer/dfx-mgr/dfx-mgr.ts";
import type { FpgaProgrammer } from "../programmer/fpga-programmer.ts";
import { NoProgrammer } from "../programmer/no-programmer.ts";
import { Overlay } from "../programmer/overlay/overlay.ts";
import { XilinxSysfs } from "../programmer/xilinx-sysfs/xilinx-sysfs.ts";
import { Xrt } from "../programmer/xrt/xrt.ts";

export type AdapterName = NonNullable<FpgaDeviceConfig["adapter"]>;

/** In this order they are looked for: those that need the operator's files are there only with these. */
export const ADAPTERS: readonly AdapterName[] = ["overlay", "dfx-mgr", "xilinx-sysfs", "xrt", "none"];

/** The programmer of a device by one adapter; undefined when the configuration lacks what that needs. */
export function makeProgrammer(adapter: AdapterName, device: FpgaDeviceConfig): FpgaProgrammer | undefined {
  const { root, manager, overlay, package: own, bdf } = device;
  const at = { root, ...(manager !== undefined && { manager }) };
  switch (adapter) {
    case "overlay":
      return overlay && new Overlay({ ...at, ...overlay });
    case "dfx-mgr":
      return own && new DfxMgr({ ...at, package: own });
    case "xilinx-sysfs":
      return new XilinxSysfs(at);
    case "xrt":
      return new Xrt(bdf === undefined ? {} : { bdf });
    case "none":
      return new NoProgrammer();
  }
}
