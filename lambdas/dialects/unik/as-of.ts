import type { DialectCore } from "../core.ts";
import { timeOf } from "./image-view.ts";

/** The header that says from when what is told of an edge is. */
export async function asOf(core: DialectCore, edge: string): Promise<Record<string, string>> {
  const nodes = await core.inventory.nodes(edge);
  return nodes ? { "perigee-as-of": timeOf(nodes.at) } : {};
}
