import { join } from "node:path";
import { cacheFolder } from "../../../scripts/cache-folder.ts";

/** How many throwaway clusters fit side by side on one machine. */
export const SLOTS = 8;

/** Where one throwaway cluster keeps its things. Everything in `run` goes when it is taken down. */
export type Places = {
  slot: number;
  /** lock and mark of the slot */
  directory: string;
  /** keys, logs, data and sockets of what runs */
  run: string;
};

/** Programs and images, which outlive clusters: `PERIGEE_KUBERNETES_DIR`, else below the user's cache. */
export function baseDirectory(env: NodeJS.ProcessEnv = process.env): string {
  return env.PERIGEE_KUBERNETES_DIR || join(cacheFolder(env), "kubernetes");
}

export function placesOf(slot: number, base = baseDirectory()): Places {
  const directory = join(base, "clusters", String(slot));
  return { slot, directory, run: join(directory, "run") };
}

/** Name of a node's network namespace and of its cgroup. */
export function namespaceOf(slot: number, node: number): string {
  return `perigee-k8s-${slot}-${node}`;
}

/** Name of the link from the host to the first node; at most 15 bytes. */
export function hostLinkOf(slot: number): string {
  return `pgk8s${slot}`;
}
