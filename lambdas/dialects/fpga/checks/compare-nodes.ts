import { type CheckNumber, type CheckResult, checkResult } from "./check-result.ts";
import type { FpgaFormat } from "./content-reader.ts";
import type { FileReport } from "./file-report.ts";
import { type Finding, finding } from "./finding.ts";
import { idcodeText } from "./idcode-text.ts";

/**
 * A node of kind FPGA as last reported. What is undefined is not known, and contradicts nothing. `idcode` as a device
 * answers it, `interfaceUuid` as 32 hex digits.
 */
export type FpgaNode = {
  node: string;
  formats?: readonly FpgaFormat[];
  idcode?: number;
  shell?: { interfaceUuid?: string; platform?: string };
};

/** `note`: what could not be compared, the rest of an image's message `NOT_CHECKED: …`. */
export type NodeComparison = { checks: readonly CheckResult[]; finding?: Finding; note?: string };

type Verdict = { fits: true } | { unknown: string } | { check: CheckNumber; contradicts: Finding };

/**
 * Compares a file that passed its own checks with the nodes of the edge (checks 8, 11 and 12). It is refused only when
 * every node contradicts it. Nothing is compared of a format that is not known.
 */
export function compareNodes(report: FileReport, nodes: readonly FpgaNode[]): NodeComparison {
  if (report.format === undefined || report.format === "unknown") return { checks: [] };
  if (nodes.length === 0) return { checks: [], note: "no FPGA device is known on this edge" };
  const verdicts = nodes.map((node) => compareNode(report, node));
  const fits = nodes.filter((_node, at) => "fits" in (verdicts[at] ?? {})).map(({ node }) => node);
  if (fits.length > 0) {
    const values = { nodes: fits.join(", ").slice(0, 500) };
    const format = { format: report.format };
    return {
      checks: [agreed(report, values), checkResult(12, "passed", { values: { ...format, ...values } })],
    };
  }
  const unknown = verdicts.flatMap((verdict) => ("unknown" in verdict ? [verdict.unknown] : []));
  if (unknown.length > 0) return { checks: [], note: unknown.join("; ").slice(0, 500) };
  // a node that takes the format and differs elsewhere says more than one that does not take it
  const contradictions = verdicts.flatMap((verdict) => ("contradicts" in verdict ? [verdict] : []));
  const told = contradictions.find(({ check }) => check !== 12) ?? contradictions[0];
  if (!told) return { checks: [] };
  return { checks: [checkResult(told.check, "failed", told.contradicts)], finding: told.contradicts };
}

/** What a file is for is what these nodes are: a raw stream's IDCODE, an xclbin's shell. */
function agreed({ idcode, xclbin }: FileReport, nodes: { nodes: string }): CheckResult {
  if (xclbin) return checkResult(11, "passed", { values: nodes });
  const values = { ...(idcode !== undefined && { idcode: idcodeText(idcode) }), ...nodes };
  return checkResult(8, "passed", { values });
}

function compareNode(report: FileReport, { node, formats, idcode, shell }: FpgaNode): Verdict {
  const { format, xclbin } = report;
  if (formats && format && !formats.includes(format)) {
    return {
      check: 12,
      contradicts: finding(
        "FORMAT_UNSUPPORTED",
        `the file is ${format}, the node ${node} takes ${formats.join(", ")}`,
      ),
    };
  }
  if (report.idcode !== undefined && idcode !== undefined && !sameDevice(report.idcode, idcode)) {
    return {
      check: 8,
      contradicts: finding(
        "DEVICE_MISMATCH",
        `the file is for a device with the IDCODE ${idcodeText(report.idcode)}, the node ${node} has ${idcodeText(idcode)}`,
      ),
    };
  }
  const ofShell = xclbin && shell ? compareShell(xclbin, shell) : undefined;
  if (ofShell === false) {
    return {
      check: 11,
      contradicts: finding(
        "SHELL_MISMATCH",
        `the file is for ${xclbin?.platform} (${xclbin?.interfaceUuid}), the node ${node} has another shell`,
      ),
    };
  }
  if (!formats) return { unknown: `what the node ${node} takes is not known` };
  if (xclbin && ofShell === undefined) return { unknown: `the shell of the node ${node} is not known` };
  if (!xclbin && idcode === undefined) return { unknown: `the IDCODE of the node ${node} is not known` };
  if (!xclbin && report.idcode === undefined) return { unknown: "the file names no IDCODE" };
  return { fits: true };
}

/** A device's IDCODE without the version of the silicon, which no design depends on. */
function sameDevice(one: number, other: number): boolean {
  return (one & 0x0fffffff) === (other & 0x0fffffff);
}

/** @returns undefined when nothing of the shell is known */
function compareShell(
  xclbin: { interfaceUuid: string; platform: string },
  { interfaceUuid, platform }: NonNullable<FpgaNode["shell"]>,
): boolean | undefined {
  if (interfaceUuid === undefined && platform === undefined) return undefined;
  return interfaceUuid === xclbin.interfaceUuid || platform === xclbin.platform;
}
