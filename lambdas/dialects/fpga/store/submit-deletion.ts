import type { DialectCore } from "../../core.ts";
import type { Images } from "../images/images.ts";
import { FPGA_LANE } from "../lane.ts";
import { type DeletionRecord, workKeys } from "./work-records.ts";

/**
 * An image becomes `deleting` in the transaction that queues its deletion on the edge.
 * @param before id of the command that was to delete it and did not
 * @throws 404, 400 for a protected one; QUEUE_FULL
 */
export async function submitDeletion(
  { dispatch }: DialectCore,
  images: Images,
  of: DeletionRecord,
  before?: string,
): Promise<void> {
  const { user, edge, project, image } = of;
  await dispatch.run({
    user,
    edge,
    lane: FPGA_LANE.name,
    operation: "fpga.delete",
    input: { image },
    admission: "queue",
    wait: { kind: "none" },
    records: async ({ id }) => [
      ...(await images.deleting(project, image)),
      { put: { ...workKeys.deletion(id), data: { user, edge, project, image } }, if: 0 },
      ...(before === undefined ? [] : [{ delete: workKeys.deletion(before) }]),
    ],
  });
}
