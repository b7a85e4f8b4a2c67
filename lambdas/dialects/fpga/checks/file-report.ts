import type { CheckResult } from "./check-result.ts";
import type { FpgaFormat } from "./content-reader.ts";
import type { Finding } from "./finding.ts";
import type { Xclbin } from "./xclbin.ts";

/** What one reading of a file has shown, whatever the nodes are. */
export type FileReport = {
  /** bytes */
  size: number;
  /** hex SHA-256 of the whole file; undefined when it was not read to its end */
  sha256?: string;
  /** of what a device is programmed with: of an AEI that is its payload */
  format?: FpgaFormat;
  container?: "aei";
  /** where in the file lies what a device is programmed with, bytes */
  payload?: { offset: number; length: number };
  idcode?: number;
  xclbin?: Xclbin;
  checks: readonly CheckResult[];
  /** the first check that failed: the file is refused */
  finding?: Finding;
};
