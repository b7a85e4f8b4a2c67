import type { CheckSheet } from "./check-sheet.ts";
import type { Content } from "./content-reader.ts";
import type { FileReport } from "./file-report.ts";
import { idcodeText } from "./idcode-text.ts";
import { isOfNoUse } from "./xclbin.ts";

/** Checks what a device is programmed with, which begins `offset` bytes into the file. */
export function checkContent(sheet: CheckSheet, content: Content, offset: number): Partial<FileReport> {
  const found: Partial<FileReport> = {
    format: content.format,
    payload: { offset, length: content.size },
  };
  if (content.format === "xclbin") {
    const { xclbin, finding } = content;
    // that it was built for emulation, or configures nothing, is the next check's
    const broken = finding && !isOfNoUse(finding) ? finding : undefined;
    if (!sheet.decide(10, broken, xclbin && { sections: xclbin.sections, uuid: xclbin.uuid })) return found;
    const { mode, interfaceUuid, platform } = xclbin ?? {};
    const use = mode !== undefined && interfaceUuid !== undefined && platform !== undefined;
    if (!sheet.decide(11, finding, use ? { mode, interfaceUuid, platform } : undefined)) return found;
    return { ...found, ...(xclbin && { xclbin }) };
  }
  const { raw } = content;
  if (!raw) return found;
  const values = { order: raw.order, syncAt: raw.syncAt, bytes: content.size };
  if (content.format === "unknown") {
    sheet.remark(6, "there is a sync word, but the size is not a multiple of 4", values);
    return found;
  }
  sheet.decide(6, undefined, values);
  if (raw.idcode !== undefined) {
    sheet.remark(8, "there was no IDCODE of a node to compare it with", { idcode: idcodeText(raw.idcode) });
  } else sheet.remark(8, "no packet that writes the IDCODE was found");
  if (raw.desync) sheet.decide(9, undefined);
  else sheet.remark(9, "DESYNC was not found at the end: so it is in encrypted and partial streams too");
  return { ...found, ...(raw.idcode !== undefined && { idcode: raw.idcode }) };
}
