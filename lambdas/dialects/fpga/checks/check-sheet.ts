import { CHECKS, type CheckNumber, type CheckResult, checkResult } from "./check-result.ts";
import type { Finding } from "./finding.ts";

/** Fills in the checks of one file; the first that fails is its finding. */
export class CheckSheet {
  readonly #results = new Map<CheckNumber, CheckResult>();
  finding: Finding | undefined;

  /** Notes a check by what it found wrong, if anything. @returns whether it passed */
  decide(check: CheckNumber, found: Finding | undefined, values?: CheckResult["values"]): boolean {
    this.#results.set(
      check,
      checkResult(check, found ? "failed" : "passed", { ...found, ...(values && { values }) }),
    );
    this.finding ??= found;
    return !found;
  }

  /** Notes what speaks neither for the file nor against it. */
  remark(check: CheckNumber, text: string, values?: CheckResult["values"]): void {
    this.#results.set(check, checkResult(check, "remark", { text, ...(values && { values }) }));
  }

  /** Every check, in the order of their numbers. */
  get results(): readonly CheckResult[] {
    const numbers = Object.keys(CHECKS).map((number) => Number(number) as CheckNumber);
    return numbers.map((number) => this.#results.get(number) ?? checkResult(number, "not-applicable"));
  }
}
