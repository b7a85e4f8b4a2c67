import { NODE_KINDS } from "#protocol/names.ts";
import type { NodeReport } from "#protocol/wire.ts";
import type { KindOfNode, KindsOfNodes, Toleration } from "./pod.ts";
import type { Node } from "./types.ts";

/** The nodes of each kind, by name; one that is of two kinds is there twice. `True`: pods can start there now. Pure. */
export function nodesOf(nodes: readonly Node[], kinds: KindsOfNodes): NodeReport[] {
  return NODE_KINDS.flatMap((name) => {
    const kind = kinds[name];
    if (!kind) return [];
    return nodes
      .filter((node) => isOf(node, kind))
      .map((node) => ({ name: node.metadata.name, kind: name, status: statusOf(node, kind) }))
      .sort((a, b) => a.name.localeCompare(b.name));
  });
}

/** The label selector of a kind's nodes. */
export function isOf(node: Node, kind: KindOfNode): boolean {
  return Object.entries(kind.labels).every(([key, value]) => node.metadata.labels?.[key] === value);
}

/** Is the node there, and in contact with the cluster? */
export function isReady(node: Node | undefined): boolean {
  return readiness(node) === "True";
}

function readiness(node: Node | undefined): NodeReport["status"] {
  return node?.status?.conditions?.find(({ type }) => type === "Ready")?.status ?? "Unknown";
}

/** Pressure, a cordon and a loss show as taints as well. */
function statusOf(node: Node, kind: KindOfNode): NodeReport["status"] {
  const ready = readiness(node);
  if (ready !== "True") return ready;
  const pressed = node.status?.conditions?.some(
    ({ type, status }) => /^(?:Disk|Memory|PID)Pressure$/.test(type) && status === "True",
  );
  const tainted = node.spec?.taints?.some(
    (taint) => taint.effect !== "PreferNoSchedule" && !kind.tolerations?.some((one) => tolerates(one, taint)),
  );
  return node.spec?.unschedulable || pressed || tainted ? "False" : "True";
}

function tolerates(one: Toleration, taint: { key: string; value?: string; effect: string }): boolean {
  if (one.effect && one.effect !== taint.effect) return false;
  if (one.key && one.key !== taint.key) return false;
  return one.operator === "Exists" || (one.key !== undefined && (one.value ?? "") === (taint.value ?? ""));
}
