import type { NodeKind } from "#protocol/names.ts";
import type { NodeReport } from "#protocol/wire.ts";

export type Placement = { node: string } | { unschedulable: string };

/**
 * Picks the ready node of `kind` with the fewest pods (the first of equals), or says why there is none in the words of
 * Kubernetes' scheduler. Pure. @param load pods now on each node, by its name
 */
export function place(
  kind: NodeKind,
  nodes: readonly NodeReport[],
  load: ReadonlyMap<string, number>,
): Placement {
  const ofKind = nodes.filter((node) => node.kind.toUpperCase() === kind);
  const [best] = ofKind
    .filter((node) => node.status === "True")
    .sort((a, b) => (load.get(a.name) ?? 0) - (load.get(b.name) ?? 0));
  if (best) return { node: best.name };
  const others = nodes.length - ofKind.length;
  const why = [
    ...(ofKind.length > 0 ? [`${ofKind.length} node(s) were not ready`] : []),
    ...(others > 0 ? [`${others} node(s) didn't match Pod's node affinity/selector`] : []),
  ];
  return { unschedulable: `0/${nodes.length} nodes are available: ${why.join(", ") || "no nodes"}.` };
}
