import type { KubernetesApi } from "./api.ts";
import { unless } from "./errors.ts";
import { isReady } from "./nodes.ts";
import type { Node } from "./types.ts";

/** `away`: not ready, but it may come back with all that runs on it; `lost`: given up. */
export type Standing = "ready" | "away" | "lost";

type Absence = { of: string /** monotonic ms */; since: number };

const MOST_KNOWN = 10_000;

/**
 * Which nodes are given up: those whose object is gone, and those that were seen not to be ready for
 * `nodeLostSeconds`. That is measured by our own clock, from when it was first seen: the cluster's may be wrong.
 */
export class LostNodes {
  readonly #api: Pick<KubernetesApi, "call">;
  readonly #lostMs: number;
  readonly #now: () => number;
  readonly #absences = new Map<string, Absence>();

  constructor(
    api: Pick<KubernetesApi, "call">,
    nodeLostSeconds: number,
    now: () => number = () => performance.now(),
  ) {
    this.#api = api;
    this.#lostMs = nodeLostSeconds * 1000;
    this.#now = now;
  }

  /** @throws PerigeeError ENGINE_UNAVAILABLE */
  async look(name: string): Promise<Standing> {
    const node = await unless(this.#api.call<Node>(`/api/v1/nodes/${name}`), 404);
    if (node) return this.#note(node);
    this.#absences.delete(name);
    return "lost";
  }

  /** Nodes as they are now: an absence counts from when it was first seen, whoever looked. */
  see(nodes: readonly Node[]): void {
    for (const node of nodes) this.#note(node);
  }

  #note(node: Node): Standing {
    const { name } = node.metadata;
    if (isReady(node)) {
      this.#absences.delete(name);
      return "ready";
    }
    const of = absenceOf(node);
    const known = this.#absences.get(name);
    const since = known?.of === of ? known.since : this.#now();
    if (this.#absences.size >= MOST_KNOWN) this.#absences.clear();
    this.#absences.set(name, { of, since });
    return this.#now() - since >= this.#lostMs ? "lost" : "away";
  }
}

/** The same for as long as a node stays away: one that was back between two looks begins anew. */
function absenceOf({ metadata, status }: Node): string {
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  return `${metadata.uid} ${ready?.lastTransitionTime}`;
}
