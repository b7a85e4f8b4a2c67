import type { CheckResult } from "./check-result.ts";
import { compareNodes, type FpgaNode } from "./compare-nodes.ts";
import { type Examined, FileExamination } from "./examine-file.ts";
import type { FileReport } from "./file-report.ts";

/**
 * What the checks on the ground came to. `report` has every check, those against the nodes too. `message` is the image's:
 * of a refused one the code and the reason, of another one what was not checked, if anything.
 */
export type CheckedFile = { report: FileReport; refused: boolean; message?: string };

/**
 * Reads a file once, to its end or until it is too large, and compares it with the nodes of its edge. Whatever the bytes
 * are, it throws only what reading does. Of a piece nothing is used once the next has been asked for.
 * @param options.maxFile most bytes of a file (default CHECK_BOUNDS.maxFile)
 */
export async function checkFile(
  pieces: AsyncIterable<Uint8Array>,
  examined: Examined,
  nodes: readonly FpgaNode[],
  options: { maxFile?: number } = {},
): Promise<CheckedFile> {
  const examination = new FileExamination(examined, options);
  // leaving the loop ends the reading
  for await (const piece of pieces) if (!examination.push(piece)) break;
  const report = examination.finish();
  if (report.finding) return refusal(report, report.finding);
  const { checks, finding, note } = compareNodes(report, nodes);
  const whole = { ...report, checks: merged(report.checks, checks) };
  if (finding) return refusal(whole, finding);
  const message = report.format === "unknown" ? UNKNOWN : note && `NOT_CHECKED: ${note}`;
  return { report: whole, refused: false, ...(message && { message }) };
}

const UNKNOWN = "FORMAT_UNKNOWN: the file is of no format that is known here, and nothing of it was checked";

function refusal(report: FileReport, { code, text }: NonNullable<FileReport["finding"]>): CheckedFile {
  return { report, refused: true, message: `${code}: ${text}` };
}

function merged(own: readonly CheckResult[], compared: readonly CheckResult[]): readonly CheckResult[] {
  return own.map((result) => {
    const found = compared.find(({ check }) => check === result.check);
    if (!found) return result;
    const values = { ...result.values, ...found.values };
    return { ...found, ...(Object.keys(values).length > 0 && { values }) };
  });
}
