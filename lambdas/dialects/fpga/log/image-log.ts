import { LOADS_OF_IMAGE } from "#protocol/fpga-device.ts";
import { idcodeText } from "../checks/idcode-text.ts";
import type { FpgaParts } from "../parts.ts";
import type { Project } from "../project.ts";
import { findAgentLog } from "./agent-log.ts";
import { findReport } from "./reports.ts";
import { tarOf } from "./tar.ts";

/** Of an image; `modified` in ms since 1970. */
export type ImageLog = { tar: Buffer; bucket: string; modified: number };

/**
 * The log of an image that is `active` or `error`, made when it is read: what the checks found, what the agent said, the
 * last loads.
 * @returns undefined when there is no such image, or no log of it yet
 */
export async function imageLog(
  { core, images }: Pick<FpgaParts, "core" | "images">,
  project: Project,
  id: string,
): Promise<ImageLog | undefined> {
  const image = await images.find(project.id, id);
  if (image?.status !== "active" && image?.status !== "error") return undefined;
  const { name, status, message, bytes, createdAt, sha256, format, bucket, key } = image;
  const checked = await findReport(core.records, project.id, id);
  const report = {
    id,
    name,
    status,
    message: message ?? null,
    location: `${bucket}:${key}`,
    bytes,
    sha256: sha256 ?? checked?.report.sha256 ?? null,
    format: format ?? checked?.report.format ?? null,
    container: checked?.report.container ?? null,
    payload: checked?.report.payload ?? null,
    idcode: checked?.report.idcode === undefined ? null : idcodeText(checked.report.idcode),
    xclbin: checked?.report.xclbin ?? null,
    edge: project.edge,
    registered_at: timeText(createdAt),
    checked_at: checked ? timeText(checked.at) : null,
    checks: checked?.report.checks ?? [],
  };
  const loads = (await core.inventory.fpgaLoads(project.edge, project.user))
    .filter((load) => load.image === id)
    .slice(0, LOADS_OF_IMAGE)
    .map(({ run, node, adapter, at, state, message }) => {
      return { time: timeText(at), run, node, adapter, state, message };
    });
  const modified = Math.max(checked?.at ?? createdAt, Date.parse(loads[0]?.time ?? "") || 0);
  const tar = tarOf(
    [
      ["report.json", jsonText(report)],
      ["agent.log", Buffer.from(await findAgentLog(core.records, { project: project.id, image: id }))],
      ["loads.json", jsonText(loads)],
    ],
    modified,
  );
  return { tar, bucket, modified };
}

const jsonText = (value: unknown) => Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
const timeText = (ms: number) => new Date(ms).toISOString();
