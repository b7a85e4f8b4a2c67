import type { PodRun } from "#protocol/pod-run.ts";

/** A run as a dialect has read it. `fpgaImage`: which FPGA image its user chose, id or name; `none`: expressly none. */
export type AskedRun = { user: string; edge: string; run: PodRun; fpgaImage?: string | undefined };

/** @throws PerigeeError FPGA_IMAGE_NOT_FOUND, FPGA_IMAGE_NOT_ACTIVE, INVALID_PARAMETERS */
export type CompleteRun = (asked: AskedRun) => Promise<PodRun>;
