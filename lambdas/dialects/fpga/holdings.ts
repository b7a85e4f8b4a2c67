import type { DialectCore } from "../core.ts";
import type { Holding, Holdings, HoldingsOf } from "../holding.ts";
import type { ImageStatus } from "./images/image-record.ts";
import { partsOf } from "./parts.ts";
import { projectOf } from "./project.ts";

const PHASES: Record<ImageStatus, NonNullable<Holding["phase"]>> = {
  saving: "waits",
  active: "ready",
  error: "failed",
  deleting: "waits",
};

/** FPGA images. */
export async function holdings(core: DialectCore, of: HoldingsOf): Promise<Holdings> {
  const { id } = projectOf({ name: of.user, uid: of.uid }, of.edge);
  const images = await partsOf(core).images.all(id);
  const items = images.map(
    ({ name, createdAt, bytes, status }): Holding => ({
      kind: "fpga-image",
      name,
      created: createdAt,
      bytes,
      state: status,
      phase: PHASES[status],
    }),
  );
  return { items };
}
