import * as z from "zod";

const absolute = z.string().startsWith("/");
const bareName = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/);
const uuid = z
  .string()
  .transform((text) => text.replaceAll("-", "").toLowerCase())
  .pipe(z.string().regex(/^[0-9a-f]{32}$/, "must be a uuid"));

/** The device of one node of kind FPGA, as the operator describes it (docs/operations.md). */
export const fpgaDevice = z
  .object({
    /** its node; one device for each */
    node: z.string(),
    /** how it is programmed (default: what probing finds first, else `none`) */
    adapter: z.enum(["none", "xilinx-sysfs", "overlay", "dfx-mgr", "xrt"]).optional(),
    /** replaces `/` for every path of the kernel's */
    root: absolute.default("/"),
    /** formats that it takes, instead of what the adapter says */
    formats: z.array(z.string().regex(/^[a-z0-9-]{1,32}$/)).optional(),
    /** as the device answers it, e.g. `0x03822093` */
    idcode: z
      .string()
      .regex(/^0x[0-9a-fA-F]{1,8}$/)
      .transform(Number)
      .optional(),
    /** what is loaded already of a card */
    shell: z
      .object({ interfaceUuid: uuid.optional(), platform: z.string().max(64).optional() })
      .strict()
      .optional(),
    /** device files that the run which holds it gets, and no other */
    devices: z.array(z.string().startsWith("/dev/")).default([]),
    /** on a cluster: the device plugin's extended resource, of which that run's pod asks for one */
    resource: z
      .string()
      .regex(/^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\/[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/)
      .optional(),
    /** of several managers, the device's own */
    manager: bareName.optional(),
    /** adapter `overlay`: the compiled overlay, and the `firmware-name` in it */
    overlay: z.object({ dtbo: absolute, firmware: bareName }).strict().optional(),
    /** adapter `dfx-mgr`: the package, and the file in it that is loaded */
    package: z.object({ name: bareName, directory: absolute, bitstream: bareName }).strict().optional(),
    /** adapters `overlay` and `dfx-mgr`: the overlay or package programs a part of the device */
    partial: z.literal(true).optional(),
    /** adapter `xrt`: address of the card */
    bdf: z.string().optional(),
    /** loaded when the last run that held it has ended, so that nothing of a user's design stays */
    blank: absolute.optional(),
    /** Ed25519 public keys (base64 of 32 bytes): only what one of them signed is loaded */
    trustedKeys: z.array(z.base64().length(44)).optional(),
    /** ms that a load may take */
    deadlineMs: z.number().int().min(10).max(600_000).default(60_000),
  })
  .strict();
export type FpgaDeviceConfig = z.infer<typeof fpgaDevice>;
