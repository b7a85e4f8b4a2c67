import { NODE_KINDS, type NodeKind } from "#protocol/names.ts";
import type { NodeReport } from "#protocol/wire.ts";

export type Placement = { node: string; kind: NodeKind } | { unschedulable: string };

/** What of a node a run asks for; of what is absent any will do. */
export type WantedNode = { kind?: NodeKind; node?: string };

/**
 * Picks the ready node that is wanted with the fewest pods (the first of equals), or says why there is none in the words of
 * Kubernetes' scheduler. Pure. @param load pods now on each node, by its name
 */
export function place(
  wanted: WantedNode,
  nodes: readonly NodeReport[],
  load: ReadonlyMap<string, number>,
): Placement {
  const found = nodes.flatMap((node) => {
    const kind = NODE_KINDS.find((known) => known === node.kind.toUpperCase());
    const matches = kind && (wanted.kind ?? kind) === kind && (wanted.node ?? node.name) === node.name;
    return matches ? [{ ...node, kind }] : [];
  });
  const [best] = found
    .filter((node) => node.status === "True")
    .sort((a, b) => (load.get(a.name) ?? 0) - (load.get(b.name) ?? 0));
  if (best) return { node: best.name, kind: best.kind };
  const others = nodes.length - found.length;
  const why = [
    ...(found.length > 0 ? [`${found.length} node(s) were not ready`] : []),
    ...(others > 0 ? [`${others} node(s) didn't match Pod's node affinity/selector`] : []),
  ];
  return { unschedulable: `0/${nodes.length} nodes are available: ${why.join(", ") || "no nodes"}.` };
}
