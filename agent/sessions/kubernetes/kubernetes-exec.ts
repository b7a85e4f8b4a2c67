import { KiB } from "#protocol/limits.ts";
import { Backoff } from "../../backoff.ts";
import { IllegalPath } from "../../checked-path.ts";
import type { KubernetesApi } from "../../pods/kubernetes/api.ts";
import { KubernetesRefusal, statusOf } from "../../pods/kubernetes/errors.ts";
import type { KubernetesNames } from "../../pods/kubernetes/names.ts";
import type { Pod } from "../../pods/kubernetes/types.ts";
import { LABEL } from "../../pods/labels.ts";
import type { ContainerExec, RawExec, RawSpec } from "../container-exec.ts";
import { notRunning, SessionFailure } from "../pod-sessions.ts";
import { becoming } from "./becoming.ts";
import { hasDied, NO_PROGRAM, NOT_RUNNING } from "./container-death.ts";
import { SocketExec } from "./socket-exec.ts";

/** The second has no end of input. */
const PROTOCOLS = ["v5.channel.k8s.io", "v4.channel.k8s.io"];
/** An API server takes no request with longer headers than 1 MiB, the command among them. */
const MAX_QUERY = 1000 * KiB;
const MOST_KNOWN = 10_000;
/** characters of what a refused program says */
const MOST_WORDS = 1000;
/** A node that takes longer to refuse a program is asked again. */
const PROBE_MS = 5_000;
/** One container of a pod of ours is the user's. */
const CONTAINER = "payload";

/** Programs by `pods/exec` of the API server, each on a WebSocket of its own. */
export class KubernetesExec implements ContainerExec {
  readonly #api: KubernetesApi;
  readonly #names: Pick<KubernetesNames, "pod" | "runOf" | "selector">;
  /** namespace by run, as far as it was met */
  readonly #homes = new Map<string, string>();

  constructor(api: KubernetesApi, names: Pick<KubernetesNames, "pod" | "runOf" | "selector">) {
    this.#api = api;
    this.#names = names;
  }

  async start(run: string, { argv, as, terminal }: RawSpec, signal: AbortSignal): Promise<RawExec> {
    const words = becoming(as, argv);
    const query: [name: string, value: string][] = [
      ...words.map((word) => ["command", word] satisfies [string, string]),
      ["container", CONTAINER],
      ...["stdin", "stdout"].map((stream) => [stream, "true"] satisfies [string, string]),
      [terminal ? "tty" : "stderr", "true"],
    ];
    if (new URLSearchParams(query).toString().length > MAX_QUERY) {
      throw new SessionFailure("CANNOT_START", "the command and its variables are too long for the cluster");
    }
    try {
      const path = await this.#pathOf(run, signal);
      const socket = await whenNotBusy(
        () => this.#api.socket(`${path}/exec`, query, PROTOCOLS, signal),
        signal,
      );
      const isRunning = () => this.#isRunning(path);
      const probe = () => this.#probe(path);
      return new SocketExec(socket, { isRunning, hasDied: (gone) => hasDied(isRunning, probe, gone) });
    } catch (error) {
      signal.throwIfAborted();
      if (statusOf(error) === 404) this.#homes.delete(run);
      throw failureOf(error);
    }
  }

  /** What a node says of {@link NO_PROGRAM}. */
  async #probe(path: string): Promise<string> {
    const query = [
      ["command", NO_PROGRAM],
      ["container", CONTAINER],
      ["stdout", "true"],
      ["stderr", "true"],
    ] as const;
    const late = AbortSignal.timeout(PROBE_MS);
    try {
      const socket = await this.#api.socket(`${path}/exec`, query, PROTOCOLS, late);
      const exec = new SocketExec(socket, { isRunning: async () => true, hasDied: async () => false });
      late.addEventListener("abort", () => exec.cut());
      let words = "";
      for await (const { data } of exec.output) words = `${words}${data}`.slice(0, MOST_WORDS);
      return `exit code ${await exec.exit()} ${words}`;
    } catch (error) {
      return error instanceof Error ? error.message : "";
    }
  }

  close(): void {
    this.#api.close();
  }

  /** Path of the run's pod. @throws SessionFailure GONE */
  async #pathOf(run: string, signal: AbortSignal): Promise<string> {
    let home = this.#homes.get(run);
    if (home === undefined) {
      if (!/^[0-9A-Za-z-]{1,80}$/.test(run)) throw notRunning();
      const labelSelector = `${this.#names.selector},${LABEL.run}=${run}`;
      const { items } = await this.#api.call<{ items: Pod[] }>("/api/v1/pods", {
        query: { labelSelector },
        signal,
      });
      const found = items.find(({ metadata }) => this.#names.runOf(metadata) === run);
      home = found?.metadata.namespace;
      if (home === undefined) throw notRunning();
      if (this.#homes.size >= MOST_KNOWN) this.#homes.clear();
      this.#homes.set(run, home);
    }
    return `/api/v1/namespaces/${home}/pods/${this.#names.pod(run)}`;
  }

  /** @throws SessionFailure ENGINE when the cluster does not answer */
  async #isRunning(path: string): Promise<boolean> {
    try {
      const { status, metadata } = await this.#api.call<Pod>(path);
      const [payload] = status?.containerStatuses ?? [];
      return metadata.deletionTimestamp === undefined && payload?.state?.running !== undefined;
    } catch (error) {
      if (statusOf(error) === 404) return false;
      throw failureOf(error);
    }
  }
}

/** It has too much to do, or is starting: nothing has begun. */
const BUSY = [429, 503];
/** ms for which such a server is asked again */
const BUSY_MS = 15_000;
/** What a proxy says of the server behind it: that may have begun it. */
const NO_ANSWER = [502, 504];

async function whenNotBusy<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  const backoff = new Backoff();
  const until = performance.now() + BUSY_MS;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!BUSY.includes(statusOf(error) ?? 0) || performance.now() > until) throw error;
    }
    await backoff.wait(signal);
    signal.throwIfAborted();
  }
}

function failureOf(error: unknown): Error {
  if (error instanceof SessionFailure) return error;
  if (error instanceof IllegalPath) return notRunning(error);
  if (!(error instanceof KubernetesRefusal) || [...BUSY, ...NO_ANSWER].includes(error.status)) {
    return new SessionFailure("ENGINE", "the cluster's API server does not answer", { cause: error });
  }
  if (error.status === 404 || NOT_RUNNING.test(error.message)) return notRunning(error);
  if (error.status === 403) {
    return new SessionFailure("ENGINE", "the cluster does not let the agent execute in pods", {
      cause: error,
    });
  }
  return new SessionFailure("ENGINE", `the cluster refused (status ${error.status})`, { cause: error });
}
