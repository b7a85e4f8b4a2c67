import * as z from "zod";
import { fpgaImageId } from "./fpga-image.ts";

const text = z.string().max(500);

/** A device as the edge last knew it. `state` is the driver's own word; `stuck`: a load does not come back. */
export const fpgaDeviceReport = z.object({
  node: text,
  /** how it is programmed; `none`: images are stored, and nothing can be loaded */
  adapter: text,
  driver: text.optional(),
  formats: z.array(z.string().max(32)).max(16),
  idcode: z.number().int().min(0).max(0xffffffff).optional(),
  shell: z.object({ interfaceUuid: text.optional(), platform: text.optional() }).optional(),
  state: text,
  /** what it was programmed with last, when that succeeded */
  loaded: z.object({ user: text, image: fpgaImageId, run: text }).optional(),
});
export type FpgaDeviceReport = z.infer<typeof fpgaDeviceReport>;

/** One load; `at` in ms since 1970. */
export const fpgaLoad = z.object({
  image: fpgaImageId,
  run: text,
  node: text,
  adapter: text,
  at: z.number(),
  state: z.enum(["begun", "operating", "failed", "interrupted"]),
  /** what driver and device said */
  message: text,
});
export type FpgaLoad = z.infer<typeof fpgaLoad>;

/** Loads of an image that are remembered. */
export const LOADS_OF_IMAGE = 20;
