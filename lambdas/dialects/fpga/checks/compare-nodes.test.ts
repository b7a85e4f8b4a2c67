import { describe, expect, it } from "vitest";
import { compareNodes, type FpgaNode } from "./compare-nodes.ts";
import type { FileReport } from "./file-report.ts";

const RAW: FileReport = { size: 4096, format: "xilinx-bin-be", idcode: 0x13822093, checks: [] };
const XCLBIN: FileReport = {
  size: 4096,
  format: "xclbin",
  xclbin: { mode: 0, interfaceUuid: "aa", platform: "p", uuid: "bb", sections: 1, configures: true },
  checks: [],
};
const fits: FpgaNode = { node: "F1", formats: ["xilinx-bin-be"], idcode: 0x03822093 };
const otherDevice: FpgaNode = { ...fits, node: "F2", idcode: 0x03823093 };
const otherFormat: FpgaNode = { node: "F3", formats: ["xilinx-bin-le"], idcode: 0x03822093 };
const unknown: FpgaNode = { node: "F4", formats: ["xilinx-bin-be"] };

it("what was compared is in the report with its values, and with the nodes that it fits", () => {
  const { checks } = compareNodes(RAW, [otherDevice, fits]);
  expect(checks).toMatchObject([
    { check: 8, outcome: "passed", values: { idcode: "0x13822093", nodes: "F1" } },
    { check: 12, outcome: "passed", values: { format: "xilinx-bin-be", nodes: "F1" } },
  ]);
  const shell = compareNodes(XCLBIN, [{ node: "F", formats: ["xclbin"], shell: { platform: "p" } }]);
  expect(shell.checks).toMatchObject([
    { check: 11, outcome: "passed", values: { nodes: "F" } },
    { check: 12 },
  ]);
});

describe("a file and the nodes of an edge", () => {
  const cases: [string, FileReport, FpgaNode[], { code?: string; note?: RegExp }][] = [
    ["no node is known", RAW, [], { note: /^no FPGA device is known on this edge$/ }],
    ["one fits, by all but the version", RAW, [otherDevice, fits, unknown], {}],
    [
      "one contradicts, of one it is not known",
      RAW,
      [otherDevice, unknown],
      { note: /IDCODE of the node F4/ },
    ],
    ["nothing is known of a node", RAW, [{ node: "F5" }], { note: /F5 takes/ }],
    ["the file names no device", { ...RAW, idcode: undefined! }, [fits], { note: /no IDCODE/ }],
    ["every node contradicts", RAW, [otherFormat, otherDevice], { code: "DEVICE_MISMATCH" }],
    ["no node takes the format", RAW, [otherFormat], { code: "FORMAT_UNSUPPORTED" }],
    [
      "interface of the shell",
      XCLBIN,
      [{ node: "F", formats: ["xclbin"], shell: { interfaceUuid: "aa" } }],
      {},
    ],
    [
      "platform of the shell",
      XCLBIN,
      [{ node: "F", formats: ["xclbin"], shell: { interfaceUuid: "cc", platform: "p" } }],
      {},
    ],
    [
      "another shell",
      XCLBIN,
      [{ node: "F", formats: ["xclbin"], shell: { platform: "q" } }],
      { code: "SHELL_MISMATCH" },
    ],
    ["a shell that is not known", XCLBIN, [{ node: "F", formats: ["xclbin"], shell: {} }], { note: /shell/ }],
    ["a format that is not known", { ...RAW, format: "unknown" }, [otherFormat], {}],
  ];
  it.each(cases)("%s", (_name, report, nodes, { code, note }) => {
    const compared = compareNodes(report, nodes);
    expect(compared.finding?.code).toBe(code);
    if (note) expect(compared.note).toMatch(note);
    else expect(compared.note).toBeUndefined();
  });
});
