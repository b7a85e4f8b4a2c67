import type { RunUsage } from "../pod-runtime.ts";
import type { KubernetesApi } from "./api.ts";
import { durationMs, quantity } from "./quantity.ts";

/** PodMetrics of metrics.k8s.io/v1beta1: averages over the `window` that ends at `timestamp`. */
type PodMetrics = {
  metadata: { name: string; namespace: string };
  timestamp: string;
  window: string;
  containers: { usage: { cpu?: string; memory?: string } }[];
};

type Seen = { at: number; cpuMs: number; memoryBytes: number; lookedAt: number };

const PATH = "/apis/metrics.k8s.io/v1beta1/pods";
/** ms between two looks at all pods: a metrics API measures about every 15 s. */
const LOOK_MS = 5_000;
/** ms until a cluster whose metrics API did not answer is asked again. */
const ABSENT_MS = 60_000;
/** ms after which a pod is forgotten that the metrics API no longer lists. */
const FORGET_MS = 600_000;
const TIMEOUT_MS = 5_000;

/**
 * What pods have used, by the cluster's metrics API where it has one. That tells averages, so CPU time is their sum over
 * time, and a pod that ends before it was measured has used nothing. It tells nothing of block devices.
 */
export class PodUsages {
  readonly #api: Pick<KubernetesApi, "call">;
  readonly #selector: string;
  readonly #now: () => number;
  readonly #seen = new Map<string, Seen>();
  #nextLook = 0;
  #look: Promise<void> | undefined;

  /** @param selector of the labels that the pods have */
  constructor(api: Pick<KubernetesApi, "call">, selector: string, now = () => performance.now()) {
    this.#api = api;
    this.#selector = selector;
    this.#now = now;
  }

  /** Use of the pod up to now; undefined where nothing measures it. */
  async of(namespace: string, pod: string): Promise<RunUsage | undefined> {
    if (this.#now() >= this.#nextLook) {
      this.#look ??= this.#lookAtAll().finally(() => {
        this.#look = undefined;
      });
    }
    await this.#look;
    const seen = this.#seen.get(`${namespace}/${pod}`);
    return seen && { cpuMs: seen.cpuMs, memoryBytes: seen.memoryBytes, ioBytes: 0 };
  }

  async #lookAtAll(): Promise<void> {
    try {
      const query = { labelSelector: this.#selector };
      const { items } = await this.#api.call<{ items: PodMetrics[] }>(PATH, { query, timeoutMs: TIMEOUT_MS });
      for (const item of items) this.#add(item);
      this.#nextLook = this.#now() + LOOK_MS;
    } catch {
      // No metrics API, none that answers, or none that this agent may ask: nothing is measured meanwhile.
      this.#nextLook = this.#now() + ABSENT_MS;
    }
    for (const [key, { lookedAt }] of this.#seen) {
      if (this.#now() - lookedAt > FORGET_MS) this.#seen.delete(key);
    }
  }

  #add({ metadata, timestamp, window, containers }: PodMetrics): void {
    const key = `${metadata.namespace}/${metadata.name}`;
    const before = this.#seen.get(key);
    const at = Date.parse(timestamp);
    const total = (of: "cpu" | "memory") =>
      containers.reduce((sum, { usage }) => sum + quantity(usage[of]), 0);
    // Between two windows it is taken to have gone on like this.
    const ms = before ? Math.max(0, at - before.at) : durationMs(window);
    this.#seen.set(key, {
      at: Math.max(at, before?.at ?? at),
      cpuMs: (before?.cpuMs ?? 0) + total("cpu") * ms,
      memoryBytes: Math.max(before?.memoryBytes ?? 0, total("memory")),
      lookedAt: this.#now(),
    });
  }
}
