import http from "node:http";
import https from "node:https";
import type { KubeConfig } from "@kubernetes/client-node";
import type { WebSocket } from "ws";
import { PerigeeError } from "#protocol/errors.ts";
import { checkedPath } from "../../checked-path.ts";
import { isForGood, KubernetesRefusal, refusalOf, statusOf, unreachable } from "./errors.ts";
import { openSocket } from "./open-socket.ts";

/** Where the cluster is: a kubeconfig file, or the service account of the pod that the agent is. */
export type KubernetesAccess = { kubeconfig: string; context?: string } | { inCluster: true };

export type Query = Record<string, string | number | boolean | undefined>;

export type Call = {
  method?: "GET" | "POST" | "PATCH" | "DELETE";
  query?: Query;
  body?: object;
  /** of a PATCH */
  patch?: "apply" | "merge" | "strategic";
  /** until the whole answer is there; default 10 000 */
  timeoutMs?: number;
  signal?: AbortSignal;
};

const PATCH_TYPES = {
  apply: "application/apply-patch+yaml",
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
};

const TIMEOUT_MS = 10_000;
/** Answers are lists of our own objects, a page at a time; anything far larger is not one. */
const MAX_BODY = 64 * 1024 * 1024;
/** Certificates and tokens on disk are renewed under us. */
const CREDENTIALS_MS = 60_000;
const PAGE = 500;
/** Whose fields they are that we apply. */
const MANAGER = "perigee";

/**
 * The Kubernetes API as the runtime needs it: JSON calls with a deadline each, and streams. Credentials are read
 * by the official client, of which no more than that is used: its own calls have no deadlines.
 */
export class KubernetesApi {
  readonly #config: KubeConfig;
  readonly #server: URL;
  readonly #agent: http.Agent;
  /** of its own: a stream keeps its socket, and a call must not wait out its deadline for one */
  readonly #streams: http.Agent;
  #options: { at: number; made: Promise<https.RequestOptions> } | undefined;
  /** requests sent, by method and streams: for measurements */
  readonly counts = new Map<string, number>();

  private constructor(config: KubeConfig) {
    const cluster = config.getCurrentCluster();
    if (!cluster) throw new Error("the kubeconfig names no cluster");
    this.#config = config;
    this.#server = new URL(cluster.server);
    const options = { keepAlive: true, keepAliveMsecs: 15_000, timeout: 0 };
    const { Agent } = this.#server.protocol === "http:" ? http : https;
    this.#agent = new Agent({ ...options, maxSockets: 512 });
    this.#streams = new Agent(options);
  }

  /** Reads the credentials; nothing is asked of the cluster. @throws Error when they cannot be read */
  static async open(access: KubernetesAccess): Promise<KubernetesApi> {
    // 90 MB of memory: loaded only where pods run on Kubernetes.
    const { KubeConfig } = await import("@kubernetes/client-node");
    const config = new KubeConfig();
    if ("inCluster" in access) config.loadFromCluster();
    else {
      config.loadFromFile(access.kubeconfig);
      if (access.context) config.setCurrentContext(access.context);
    }
    return new KubernetesApi(config);
  }

  /**
   * A redirect is a refusal: nobody but the API server is asked.
   * @throws KubernetesRefusal; PerigeeError ENGINE_UNAVAILABLE; IllegalPath; the reason of `signal`
   */
  async call<T>(path: string, call: Call = {}): Promise<T> {
    const ms = call.timeoutMs ?? TIMEOUT_MS;
    const late = AbortSignal.timeout(ms);
    const signal = call.signal ? AbortSignal.any([late, call.signal]) : late;
    const text = await this.#answer(path, call, signal).catch((error: unknown) => {
      call.signal?.throwIfAborted();
      throw isConnectionError(error, late) ? unreachable(error) : error;
    });
    return JSON.parse(text) as T;
  }

  /** Creates the object or makes its fields what `object` says; those of others stay. */
  apply<T>(path: string, object: object): Promise<T> {
    const query = { fieldManager: MANAGER, force: true };
    return this.call(path, { method: "PATCH", patch: "apply", query, body: object });
  }

  /** Every item of a list, page by page. */
  async list<T>(path: string, query: Query = {}): Promise<{ items: T[]; resourceVersion: string }> {
    type Page = { items: T[]; metadata: { resourceVersion: string; continue?: string } };
    const items: T[] = [];
    let next: string | undefined;
    for (;;) {
      const page = await this.call<Page>(path, { query: { ...query, limit: PAGE, continue: next } });
      items.push(...page.items);
      next = page.metadata.continue;
      if (!next) return { items, resourceVersion: page.metadata.resourceVersion };
    }
  }

  /**
   * A streamed answer, once its head is there; destroy it when done.
   * @throws KubernetesRefusal; PerigeeError ENGINE_UNAVAILABLE
   */
  async stream(path: string, query: Query, signal: AbortSignal): Promise<http.IncomingMessage> {
    const head = new AbortController();
    const timer = setTimeout(() => head.abort(), TIMEOUT_MS);
    try {
      const response = await this.#send(path, { query }, AbortSignal.any([signal, head.signal]), "STREAM");
      if (response.statusCode === 200) {
        clearTimeout(timer);
        return response;
      }
      throw refusalOf(response.statusCode ?? 0, await textOf(response));
    } catch (error) {
      signal.throwIfAborted();
      throw isConnectionError(error, head.signal) ? unreachable(error) : error;
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Opens a WebSocket with one of `protocols`, the first that the server knows; it is paused until its taker reads.
   * @param query words that may be repeated
   * @throws KubernetesRefusal; PerigeeError ENGINE_UNAVAILABLE; IllegalPath; the reason of `signal`
   */
  async socket(
    path: string,
    query: readonly (readonly [name: string, value: string])[],
    protocols: readonly string[],
    signal: AbortSignal,
  ): Promise<WebSocket> {
    const { headers, ...tls } = await this.#credentials();
    const url = this.#urlOf(path);
    for (const [name, value] of query) url.searchParams.append(name, value);
    url.protocol = url.protocol === "http:" ? "ws:" : "wss:";
    this.counts.set("SOCKET", (this.counts.get("SOCKET") ?? 0) + 1);
    const sent = { ...(headers as Record<string, string>), "user-agent": MANAGER };
    const late = AbortSignal.timeout(TIMEOUT_MS);
    try {
      return await openSocket(url, protocols, { ...tls, headers: sent }, AbortSignal.any([signal, late]));
    } catch (error) {
      signal.throwIfAborted();
      if (statusOf(error) === 401) this.#options = undefined;
      throw error instanceof KubernetesRefusal ? error : unreachable(error);
    }
  }

  close(): void {
    this.#agent.destroy();
    this.#streams.destroy();
  }

  async #answer(path: string, call: Call, signal: AbortSignal): Promise<string> {
    const response = await this.#send(path, call, signal, call.method ?? "GET");
    const text = await textOf(response);
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return text;
    if (status === 401) this.#options = undefined;
    const refusal = refusalOf(status, text);
    // It is starting, stopping or has too much to do: as good as not there.
    throw (status === 429 || status >= 500) && !isForGood(refusal) ? unreachable(refusal) : refusal;
  }

  async #send(path: string, call: Call, signal: AbortSignal, kind: string): Promise<http.IncomingMessage> {
    const { headers, ...tls } = await this.#credentials();
    const url = this.#urlOf(path);
    for (const [name, value] of Object.entries(call.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const body = call.body && JSON.stringify(call.body);
    const options: https.RequestOptions = {
      ...tls,
      method: call.method ?? "GET",
      agent: kind === "STREAM" ? this.#streams : this.#agent,
      signal,
      headers: {
        ...(headers as http.OutgoingHttpHeaders),
        accept: "application/json",
        "user-agent": MANAGER,
        ...(body && {
          "content-type": call.patch ? PATCH_TYPES[call.patch] : "application/json",
          "content-length": Buffer.byteLength(body),
        }),
      },
    };
    for (let tries = 0; ; tries++) {
      this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
      try {
        return await exchange(url, options, body);
      } catch (error) {
        // The server closed an idle connection just as it was used again: the request was never read.
        const stale = error instanceof StaleConnection;
        if (!stale || tries > 0 || signal.aborted) throw stale ? error.cause : error;
      }
    }
  }

  #urlOf(path: string): URL {
    return new URL(this.#server.pathname.replace(/\/$/, "") + checkedPath(path), this.#server);
  }

  #credentials(): Promise<https.RequestOptions> {
    const now = performance.now();
    if (!this.#options || now - this.#options.at > CREDENTIALS_MS) {
      const options: https.RequestOptions = {};
      const made = this.#config.applyToHTTPSOptions(options).then(() => options);
      this.#options = { at: now, made };
      made.catch(() => {
        this.#options = undefined;
      });
    }
    return this.#options.made;
  }
}

class StaleConnection extends Error {
  override readonly name = "StaleConnection";
}

function exchange(
  url: URL,
  options: https.RequestOptions,
  body: string | undefined,
): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = (url.protocol === "http:" ? http : https).request(url, options, resolve);
    request.on("error", (error: NodeJS.ErrnoException) => {
      const stale = request.reusedSocket && error.code === "ECONNRESET";
      reject(stale ? new StaleConnection("connection closed", { cause: error }) : error);
    });
    request.end(body);
  });
}

async function textOf(response: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY) throw new Error("the API server's answer is too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function isConnectionError(error: unknown, late: AbortSignal): boolean {
  if (error instanceof PerigeeError) return false;
  return (
    late.aborted || (error instanceof Error && typeof (error as NodeJS.ErrnoException).code === "string")
  );
}
