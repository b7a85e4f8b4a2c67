import { LABEL } from "../labels.ts";
import type { KubernetesApi } from "./api.ts";
import { unless } from "./errors.ts";
import type { LostNodes } from "./lost-nodes.ts";
import { FINALIZER, type KubernetesNames } from "./names.ts";
import { isForced, isSettled } from "./state.ts";
import type { Pod } from "./types.ts";
import { PodWatch } from "./watch.ts";

/** What else the wait for an event may cost when the watch is silent. */
const POLL_MS = 2_000;
/** After its grace, how long a node may still take to confirm that a pod ended. */
export const CONFIRM_MS = 5_000;
const MOST_KNOWN = 10_000;

/** The pods' objects of one agent, by run: found, waited for, taken away. */
export class KubernetesPods {
  readonly watch: PodWatch;
  readonly #api: KubernetesApi;
  readonly #names: KubernetesNames;
  readonly #closing: AbortSignal;
  /** namespace by run, as far as it was met */
  readonly #homes = new Map<string, string>();
  readonly #lostNodes: LostNodes;
  readonly #settleMs: number;

  /** @param options `settleMs`: how long the cluster may take to end a pod before the call fails, to be repeated */
  constructor(
    api: KubernetesApi,
    names: KubernetesNames,
    closing: AbortSignal,
    options: { lostNodes: LostNodes; settleMs: number },
  ) {
    this.#api = api;
    this.#names = names;
    this.#closing = closing;
    this.#lostNodes = options.lostNodes;
    this.#settleMs = options.settleMs;
    this.watch = new PodWatch(api, names.selector, closing);
  }

  /** The pod of a run as it is now; undefined: there is none. */
  async find(run: string): Promise<Pod | undefined> {
    const path = this.pathOf(run);
    if (path) return unless(this.#api.call<Pod>(path), 404);
    if (!/^[0-9A-Za-z-]{1,63}$/.test(run)) return undefined;
    return (await this.#list({ [LABEL.run]: run }))[0];
  }

  /** All pods of this agent, or those that have these labels too. */
  list(labels: Record<string, string> = {}): Promise<Pod[]> {
    return this.#list(labels);
  }

  /** Where the run's pod is, as far as this process has seen it. */
  namespaceOf(run: string): string | undefined {
    return this.#homes.get(run);
  }

  /** Path of a run's pod in the API, as far as its namespace is known. */
  pathOf(run: string): string | undefined {
    const home = this.namespaceOf(run);
    return home && `/api/v1/namespaces/${home}/pods/${this.#names.pod(run)}`;
  }

  /** Where the run's pod is, or is going to be. */
  remember(run: string, namespace: string): void {
    if (this.#homes.size >= MOST_KNOWN) this.#homes.clear();
    this.#homes.set(run, namespace);
  }

  patch(pod: Pod, patch: "merge" | "strategic", body: object): Promise<Pod> {
    return this.#api.call(pathOf(pod), { method: "PATCH", patch, body });
  }

  /**
   * The run's pod as soon as `wanted` is true of it: what the watch says is believed, what it does not say is asked.
   * @param now the pod as it was just seen
   * @returns undefined when `ms` are over
   */
  async until(
    run: string,
    wanted: (pod: Pod | undefined) => boolean | Promise<boolean>,
    ms: number,
    now?: Pod,
  ): Promise<{ pod: Pod | undefined } | undefined> {
    const end = performance.now() + ms;
    const news: { pod: Pod | undefined }[] = now ? [{ pod: now }] : [];
    let wake = () => {};
    const unlisten = this.watch.listen((seen) => {
      if (!seen || seen.pod.metadata.labels?.[LABEL.run] !== run) return;
      news.push({ pod: seen.deleted ? undefined : seen.pod });
      wake();
    });
    try {
      for (;;) {
        const next = news.shift() ?? { pod: await this.find(run) };
        if (await wanted(next.pod)) return next;
        if (news.length > 0) continue;
        const left = Math.min(POLL_MS, end - performance.now());
        if (left <= 0) return undefined;
        this.#closing.throwIfAborted();
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, left);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    } finally {
      unlisten();
    }
  }

  /**
   * Ends the run at once by deleting its pod, which stays to be looked at.
   * @returns the pod as it is then; undefined: there is none
   * @throws Error when its node does not end it, and is not given up yet
   */
  async takeAway(pod: Pod, run: string): Promise<Pod | undefined> {
    if (isSettled(pod)) return pod;
    await unless(this.#delete(pod, 1), 404);
    const over = async (seen: Pod | undefined) => !seen || isSettled(seen) || (await this.isLost(seen));
    const last = await this.until(run, over, this.#settleMs);
    if (!last) throw new Error("the cluster does not end the pod");
    return last.pod;
  }

  /** Lets go of the object of a run that has ended, or whose node is lost. */
  async drop(pod: Pod, run: string): Promise<void> {
    // Zero seconds: a node that is out of reach need not confirm it. What it still runs it ends when it is back.
    await unless(this.#delete(pod, 0), 404, 409);
    const body = { metadata: { "$deleteFromPrimitiveList/finalizers": [FINALIZER] } };
    const left = await unless(this.patch(pod, "strategic", body), 404);
    // Without finalizers it went with that answer.
    if (left?.metadata.finalizers?.length) throw new Error("somebody else keeps a pod that was removed");
    this.#homes.delete(run);
  }

  /** It was deleted, and its node, which has not confirmed that it ended, was given up. */
  async isLost(pod: Pod): Promise<boolean> {
    if (!pod.metadata.deletionTimestamp || isSettled(pod) || !pod.spec.nodeName) return false;
    const standing = await this.#lostNodes.look(pod.spec.nodeName);
    // By force: who did that has given up a node that is away.
    return standing === "lost" || (standing === "away" && isForced(pod));
  }

  async #list(labels: Record<string, string>): Promise<Pod[]> {
    const labelSelector = [
      this.#names.selector,
      ...Object.entries(labels).map(([key, value]) => `${key}=${value}`),
    ].join(",");
    const { items } = await this.#api.list<Pod>("/api/v1/pods", { labelSelector });
    for (const { metadata } of items) {
      const run = this.#names.runOf(metadata);
      if (run && metadata.namespace) this.remember(run, metadata.namespace);
    }
    return items;
  }

  #delete(pod: Pod, gracePeriodSeconds: number): Promise<unknown> {
    const body = { gracePeriodSeconds, preconditions: { uid: pod.metadata.uid } };
    return this.#api.call(pathOf(pod), { method: "DELETE", body });
  }
}

function pathOf({ metadata }: Pod): string {
  return `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}`;
}
