import { setTimeout as sleep } from "node:timers/promises";
import type { KubernetesApi } from "../../pods/kubernetes/api.ts";
import { KubernetesRefusal, unless } from "../../pods/kubernetes/errors.ts";
import type { Pod } from "../../pods/kubernetes/types.ts";
import type { FpgaDeviceConfig } from "../device-config.ts";
import { argsOf, type LoaderAnswer, type LoaderTask } from "../loader/loader-task.ts";
import { LoadError } from "../programmer/fpga-programmer.ts";
import { type LoaderPodContext, loaderName, loaderPod, NAMESPACE } from "./loader-pod.ts";

export type LoaderPodsDeps = LoaderPodContext & {
  api: Pick<KubernetesApi, "call">;
  /** ms until a loader's container has to run; default 120 000 */
  startMs?: number;
  /** ms until a node has to confirm that a loader ended; default 15 000 */
  clearMs?: number;
};

const PODS = `/api/v1/namespaces/${NAMESPACE}/pods`;
const PAUSE_MS = 200;
/** A pod whose object is forgotten while it runs ends by itself this much later than the agent would end it. */
const BACKSTOP_S = 15;

/** Loaders on the nodes of a cluster: one for each task, and never two for one device. */
export class LoaderPods {
  readonly #deps: Required<LoaderPodsDeps>;
  readonly #closing = new AbortController();

  constructor(deps: LoaderPodsDeps) {
    this.#deps = { startMs: 120_000, clearMs: 15_000, ...deps };
  }

  /**
   * Has a loader do the task. However it ends, no loader of the device is there any more, or it is a LOAD_TIMEOUT.
   * @param ms that it may take from when it runs
   * @throws LoadError; the reason of `signal`, and when it was closed: then the loader stays for who comes next
   */
  async run(
    device: FpgaDeviceConfig,
    task: LoaderTask,
    ms: number,
    stop?: AbortSignal,
  ): Promise<LoaderAnswer> {
    const signal = AbortSignal.any([this.#closing.signal, ...(stop ? [stop] : [])]);
    signal.throwIfAborted();
    let failed: unknown;
    try {
      const uid = await this.#create(device, task, ms, signal);
      return await this.#answer(device, uid, ms, signal);
    } catch (error) {
      failed = error;
      throw error;
    } finally {
      const isLeft = !this.#closing.signal.aborted && (await this.clear(device).catch(() => true));
      // one that has answered does nothing any more, whether its object is still there or not
      if (isLeft && failed !== undefined && !isTimeout(failed)) {
        // biome-ignore lint/correctness/noUnsafeFinally: what it may yet do weighs more than why it failed
        throw new LoadError("LOAD_TIMEOUT", "the loader on the node does not end", { cause: failed });
      }
    }
  }

  /** Ends the device's loader, whoever began it. @returns does its node not confirm that? */
  async clear(device: Pick<FpgaDeviceConfig, "node">): Promise<boolean> {
    const path = this.#path(device);
    const end = performance.now() + this.#deps.clearMs;
    for (;;) {
      const pod = await unless(this.#deps.api.call<Pod>(path), 404);
      if (!pod) return false;
      // one that has ended needs no node's word any more, one that runs must have it
      const body = { gracePeriodSeconds: endOf(pod) ? 0 : 1, preconditions: { uid: pod.metadata.uid } };
      await unless(this.#deps.api.call(path, { method: "DELETE", body }), 404, 409);
      if (performance.now() > end) return true;
      await sleep(PAUSE_MS);
    }
  }

  /** Every task that is under way fails. */
  close(): void {
    this.#closing.abort(new Error("the agent ends"));
  }

  #path(device: Pick<FpgaDeviceConfig, "node">): string {
    return `${PODS}/${loaderName(device, this.#deps.instance)}`;
  }

  /** @returns its uid */
  async #create(
    device: FpgaDeviceConfig,
    task: LoaderTask,
    ms: number,
    signal: AbortSignal,
  ): Promise<string> {
    const { api, startMs } = this.#deps;
    const seconds = Math.ceil((startMs + ms) / 1000) + BACKSTOP_S;
    const body = loaderPod(device, argsOf(task), seconds, this.#deps);
    const end = performance.now() + startMs;
    for (;;) {
      signal.throwIfAborted();
      try {
        return (await api.call<Pod>(PODS, { method: "POST", body })).metadata.uid;
      } catch (cause) {
        const status = cause instanceof KubernetesRefusal ? cause.status : undefined;
        if (status !== undefined && status !== 409)
          throw new LoadError("LOAD_FAILED", "the cluster refuses the loader", { cause });
        // an earlier one is there, or an answer was lost: it is not known what that one has done
        if (performance.now() > end)
          throw new LoadError("LOAD_FAILED", "the cluster takes no loader", { cause });
      }
      await this.clear(device).catch(() => true);
      await sleep(PAUSE_MS);
    }
  }

  async #answer(
    device: FpgaDeviceConfig,
    uid: string,
    ms: number,
    signal: AbortSignal,
  ): Promise<LoaderAnswer> {
    const { api, startMs } = this.#deps;
    const begun = performance.now();
    let runsSince: number | undefined;
    for (;;) {
      signal.throwIfAborted();
      const pod = await unless(api.call<Pod>(this.#path(device)), 404).catch((error: unknown) => {
        if (error instanceof KubernetesRefusal) throw error;
        return "unknown" as const;
      });
      if (!pod || (pod !== "unknown" && pod.metadata.uid !== uid))
        throw new LoadError("LOAD_FAILED", "the loader was taken away");
      const now = performance.now();
      if (pod !== "unknown") {
        const end = endOf(pod);
        if (end) return answerOf(end.message);
        if (pod.status?.containerStatuses?.[0]?.state?.running) runsSince ??= now;
      }
      if (runsSince !== undefined && now - runsSince > ms)
        throw new LoadError("LOAD_TIMEOUT", `the driver did not answer within ${ms} ms`);
      if (now - begun > startMs + ms) throw new LoadError("LOAD_TIMEOUT", "nothing was heard of the loader");
      if (runsSince === undefined && now - begun > startMs && pod !== "unknown")
        throw new LoadError("LOAD_FAILED", `the loader did not start (${whyNot(pod)})`);
      await sleep(PAUSE_MS);
    }
  }
}

/** Its container has ended, or never can begin. */
function endOf(pod: Pod): { message: string } | undefined {
  const end = pod.status?.containerStatuses?.[0]?.state?.terminated;
  if (end) return { message: end.message ?? "" };
  const isOver = pod.status?.phase === "Failed" && !pod.status.containerStatuses?.[0]?.state?.running;
  return isOver ? { message: "" } : undefined;
}

function whyNot({ status }: Pod): string {
  const waiting = status?.containerStatuses?.[0]?.state?.waiting?.reason;
  const scheduled = status?.conditions?.find(({ type }) => type === "PodScheduled");
  return waiting ?? (scheduled?.status === "False" ? scheduled.reason : status?.phase) ?? "unknown";
}

function answerOf(message: string): LoaderAnswer {
  try {
    return JSON.parse(message) as LoaderAnswer;
  } catch (cause) {
    throw new LoadError("LOAD_FAILED", "the loader ended without an answer", { cause });
  }
}

const isTimeout = (error: unknown) => error instanceof LoadError && error.code === "LOAD_TIMEOUT";
