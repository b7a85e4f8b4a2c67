import type { FindingCode } from "./finding.ts";

/** The checks by the numbers of the contract's table, and what each looks at. */
export const CHECKS = {
  1: "size and content",
  2: "foreign formats",
  3: "name and content",
  4: "AEI container",
  5: "AEI metadata",
  6: "raw configuration stream",
  7: ".bit header",
  8: "IDCODE",
  9: "DESYNC",
  10: "xclbin",
  11: "xclbin's use",
  12: "format and nodes",
} as const;

export type CheckNumber = keyof typeof CHECKS;

/** `not-applicable`: the file is of another kind, or a check before it failed. */
export type CheckOutcome = "passed" | "failed" | "remark" | "not-applicable";

/** One row of an image's report. `values` are what the check compared: bounded, printable. */
export type CheckResult = {
  check: CheckNumber;
  name: string;
  outcome: CheckOutcome;
  code?: FindingCode;
  text?: string;
  values?: Readonly<Record<string, string | number | boolean>>;
};

type Rest = Pick<CheckResult, "code" | "text" | "values">;

export function checkResult(check: CheckNumber, outcome: CheckOutcome, rest: Rest = {}): CheckResult {
  return { check, name: CHECKS[check], outcome, ...rest };
}
