import * as z from "zod";
import { GiB } from "./limits.ts";

const hex = (digits: number) => z.string().regex(new RegExp(`^[0-9a-f]{${digits}}$`));
const size = z.number().int().nonnegative().max(GiB);

/** Id of an FPGA image: the 128 bits of the id of the command that stores it, in hex. */
export const fpgaImageId = hex(32);

/** A file for FPGAs as the ground examined it, and as an edge holds it. */
export const fpgaImage = z.object({
  image: fpgaImageId,
  /** of the whole file */
  sha256: hex(64),
  /** of the whole file */
  bytes: size,
  /** of what a device is programmed with */
  format: z.string().regex(/^[a-z0-9-]{1,32}$/),
  /** where in the file that lies, bytes */
  payload: z.object({ offset: size, length: size }),
  /** what a device is compared with before it is programmed; what is absent is not known */
  checks: z.object({
    idcode: z.number().int().min(0).max(0xffffffff).optional(),
    interfaceUuid: hex(32).optional(),
    platform: z.string().max(64).optional(),
    uuid: hex(32).optional(),
  }),
  /** JSON text of an object, as it was registered */
  metadata: z.string().max(8192),
});
export type FpgaImage = z.infer<typeof fpgaImage>;
