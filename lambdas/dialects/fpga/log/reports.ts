import { optimistically } from "../../../ports/optimistically.ts";
import type { OwnRecords } from "../../own-records.ts";
import type { FileReport } from "../checks/file-report.ts";
import { keys } from "../images/image-record.ts";

/** What the checks of an image's file came to, `at` ms since 1970. */
export type ReportRecord = { report: FileReport; at: number };

/** Keeps the report of an image's checks as long as the image is there. */
export async function keepReport(
  records: OwnRecords,
  { project, image }: { project: string; image: string },
  data: ReportRecord,
): Promise<void> {
  await optimistically(async () => {
    const item = await records.get(keys.image(project, image));
    if (!item) return;
    await records.transact([
      { check: keys.image(project, image), if: item.rev },
      { put: { ...keys.report(project, image), data } },
    ]);
  });
}

export async function findReport(
  records: OwnRecords,
  project: string,
  image: string,
): Promise<ReportRecord | undefined> {
  return (await records.get<ReportRecord>(keys.report(project, image)))?.data;
}
