import type { FpgaDeviceConfig } from "../device-config.ts";
import type { FpgaProgrammer } from "../programmer/fpga-programmer.ts";

/** Where the devices of this edge are programmed: by processes of this machine, or by pods on their nodes. */
export interface LoadPlace {
  /** A device's programmers, in the order in which they are asked whether they find it. */
  programmers(device: FpgaDeviceConfig): Iterable<FpgaProgrammer>;
  /** Ends what still works on the device, also for an agent that has died. @returns is any of it still at it? */
  clear(device: FpgaDeviceConfig): Promise<boolean>;
  /** What is under way fails, and no other agent takes harm from it. */
  close?(): void;
  /** Looking for a device takes seconds, and is done beside everything else; after it found none not for so long, ms. */
  readonly slow?: { againMs: number };
}
