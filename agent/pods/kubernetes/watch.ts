import { setTimeout as sleep } from "node:timers/promises";
import type { KubernetesApi, Query } from "./api.ts";
import type { Pod } from "./types.ts";

const RECONNECT_MS = 1_000;
/** The server ends a watch after this long; one that is silent for longer has died. */
const WATCH_S = 240;
const SILENCE_MS = (WATCH_S + 15) * 1000;
const MAX_EVENT = 8 * 1024 * 1024;

/** A pod as it stands now; `deleted`: its object is gone. Undefined: events may have been missed. */
export type PodListener = (seen: { pod: Pod; deleted: boolean } | undefined) => void;

/**
 * Tells of changes of all pods that a selector names: one list and one watch for any number of listeners, from
 * the first one on. It may be late and it may miss: what it says was true, what it does not say means nothing.
 */
export class PodWatch {
  readonly #api: KubernetesApi;
  readonly #query: Query;
  readonly #closing: AbortSignal;
  readonly #listeners = new Set<PodListener>();
  #running = false;
  /** it stands: events come */
  #standing = false;

  constructor(api: KubernetesApi, labelSelector: string, closing: AbortSignal) {
    this.#api = api;
    this.#query = { labelSelector };
    this.#closing = closing;
  }

  /** @returns a function that ends it */
  listen(listener: PodListener): () => void {
    this.#listeners.add(listener);
    if (!this.#running) {
      this.#running = true;
      void this.#run();
    } else if (this.#standing) queueMicrotask(() => this.#listeners.has(listener) && listener(undefined));
    return () => this.#listeners.delete(listener);
  }

  async #run(): Promise<void> {
    while (!this.#closing.aborted) {
      await this.#once().catch(() => undefined);
      this.#standing = false;
      await sleep(RECONNECT_MS, undefined, { signal: this.#closing, ref: false }).catch(() => undefined);
    }
  }

  async #once(): Promise<void> {
    const { items, resourceVersion } = await this.#api.list<Pod>("/api/v1/pods", this.#query);
    for (const pod of items) this.#tell({ pod, deleted: false });
    let version = resourceVersion;
    for (;;) {
      const silent = new AbortController();
      const signal = AbortSignal.any([this.#closing, silent.signal]);
      const query = {
        ...this.#query,
        watch: true,
        resourceVersion: version,
        allowWatchBookmarks: true,
        timeoutSeconds: WATCH_S,
      };
      const stream = await this.#api.stream("/api/v1/pods", query, signal);
      if (!this.#standing) {
        this.#standing = true;
        this.#tell(undefined);
      }
      const timer = setTimeout(() => silent.abort(), SILENCE_MS);
      timer.unref();
      const began = performance.now();
      try {
        for await (const line of linesOf(stream)) {
          timer.refresh();
          const { type, object } = JSON.parse(line) as { type: string; object: Pod };
          // Too old to go on from: list again.
          if (type === "ERROR") return;
          version = object.metadata.resourceVersion;
          if (type !== "BOOKMARK") this.#tell({ pod: object, deleted: type === "DELETED" });
        }
      } finally {
        clearTimeout(timer);
        stream.destroy();
      }
      // A server that ends it at once is not to be asked in a circle.
      if (performance.now() - began < RECONNECT_MS) return;
    }
  }

  #tell(seen: Parameters<PodListener>[0]): void {
    for (const listener of [...this.#listeners]) listener(seen);
  }
}

async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    let at = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, at)) {
      yield Buffer.concat([...parts, chunk.subarray(at, end)]).toString();
      parts = [];
      size = 0;
      at = end + 1;
    }
    if (at < chunk.length) {
      parts.push(chunk.subarray(at));
      size += chunk.length - at;
    }
    if (size > MAX_EVENT) throw new Error("an event of the API server is too large");
  }
}
