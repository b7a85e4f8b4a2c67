import type { DialectCore } from "../core.ts";
import type { FpgaNode } from "./checks/compare-nodes.ts";
import type { FpgaFormat } from "./checks/content-reader.ts";

/** The nodes of an edge with a device that can be programmed, as last reported. */
export async function fpgaNodes(
  { inventory }: Pick<DialectCore, "inventory">,
  edge: string,
): Promise<FpgaNode[]> {
  const reported = await inventory.fpgas(edge);
  return (reported?.items ?? [])
    .filter(({ adapter }) => adapter !== "none")
    .map(({ node, formats, idcode, shell }) => ({
      node,
      formats: formats as FpgaFormat[],
      ...(idcode !== undefined && { idcode }),
      ...(shell && { shell }),
    }));
}
