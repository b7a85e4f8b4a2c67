import { killPoint } from "#protocol/kill-point.ts";
import { LIMITS } from "#protocol/limits.ts";
import type { ContainerState } from "#protocol/operations.ts";
import type { NodeReport } from "#protocol/wire.ts";
import type { NeededImage } from "../../images/handover/image-handover.ts";
import type { ImageCommand } from "../argv-of-run.ts";
import { LABEL } from "../labels.ts";
import {
  type ListedRun,
  type ListedRunner,
  type LogFrame,
  NotStartedYet,
  type PodRuntime,
  type RunSpec,
  type RunUsage,
  type Started,
  StartFailure,
} from "../pod-runtime.ts";
import { isRunnerId } from "../runs/run-id.ts";
import type { KubernetesApi } from "./api.ts";
import { isForGood, statusOf, unless } from "./errors.ts";
import { listedPods } from "./listed.ts";
import { framesOf } from "./logs.ts";
import { LostNodes } from "./lost-nodes.ts";
import { KubernetesNames, STOPPED } from "./names.ts";
import { nodesOf } from "./nodes.ts";
import { type PodContext, podOf } from "./pod.ts";
import { PodUsages } from "./pod-usage.ts";
import { CONFIRM_MS, KubernetesPods } from "./pods.ts";
import { isPortsFull, nameStep, portSteps } from "./ports.ts";
import { refusedStart } from "./refused-start.ts";
import { RunnerNetwork } from "./runner-network.ts";
import type { KubernetesRuntimeOptions } from "./runtime-options.ts";
import { assertStartable } from "./startable.ts";
import {
  hasEnded,
  hasStarted,
  isSettled,
  startedAtOf,
  startFailureOf,
  stateOf,
  waitingReason,
} from "./state.ts";
import type { Node, Pod } from "./types.ts";
import { KubernetesUsers } from "./users.ts";

type ImageOfPod = Pick<PodContext, "image" | "workdir" | keyof ImageCommand>;

const NODE_LOST_S = 300;

/** Kubernetes ends a run this long after the agent should have. */
const BACKSTOP_S = 15;
/** Many runs that begin at once look at the nodes once. */
const NODES_MS = 1_000;

/** Pods as pods of a Kubernetes cluster (1.30 or newer). */
export class KubernetesRuntime implements PodRuntime {
  readonly #api: KubernetesApi;
  readonly #options: KubernetesRuntimeOptions;
  readonly #names: KubernetesNames;
  readonly #network: RunnerNetwork;
  readonly #users: KubernetesUsers;
  readonly #lostNodes: LostNodes;
  readonly #pods: KubernetesPods;
  readonly #usages: PodUsages;
  readonly #closing = new AbortController();
  /** runs that the cluster holds and has not started yet: every change of theirs is worth a hint */
  readonly #unstarted = new Set<string>();
  #nodes: { at: number; found: Node[] } | undefined;
  #session: Promise<string> | undefined;
  session = "";
  readonly provider = "kubernetes";

  constructor(options: KubernetesRuntimeOptions) {
    this.#options = options;
    this.#api = options.api;
    const { instance, secret = instance, prefix = "perigee", settleMs = 60_000 } = options;
    this.#names = new KubernetesNames(instance, secret, prefix);
    this.#usages = new PodUsages(this.#api, this.#names.selector);
    const { limits, runners } = options;
    const { most = LIMITS.runners, maxCpus = limits.cpus, scratchBytes = limits.scratch } = runners ?? {};
    this.#network = new RunnerNetwork(this.#api, this.#names, options.runners);
    this.#users = new KubernetesUsers(this.#api, this.#names, {
      ...options,
      runners: { most, limits: { memory: limits.memory, cpus: maxCpus, scratch: scratchBytes } },
      openNetwork: this.#network.rules,
    });
    this.#lostNodes = new LostNodes(this.#api, options.nodeLostSeconds ?? NODE_LOST_S);
    this.#pods = new KubernetesPods(this.#api, this.#names, this.#closing.signal, {
      lostNodes: this.#lostNodes,
      settleMs,
    });
  }

  async prepare(image: NeededImage): Promise<void> {
    await this.#options.images.reference(image);
  }

  async start(spec: RunSpec): Promise<Started> {
    // What it takes to make a pod does not matter to one that is there. A run that was never met has none.
    const there = this.#pods.pathOf(spec.run) ? await this.#pods.find(spec.run) : undefined;
    if (!there) assertStartable(spec);
    if (there && waitingReason(there) === "ImagePullBackOff") void this.#heal(spec);
    const from = there ?? (await this.#imageOf(spec));
    await this.#identify();
    this.#pods.remember(spec.run, this.#names.home(spec));
    this.#unstarted.delete(spec.run);
    try {
      const started = await this.#users.use(spec, () => this.#start(spec, from), !there);
      return { ...started, ...(await this.#network.mappedPorts(spec)) };
    } catch (error) {
      if (error instanceof NotStartedYet) this.#unstarted.add(spec.run);
      if (statusOf(error) === 404) this.#users.forget(spec);
      throw error;
    }
  }

  /** @param from its pod, or the image to make one from */
  async #start(spec: RunSpec, from: Pod | ImageOfPod): Promise<Started> {
    let pod = "metadata" in from ? from : await this.#create(spec, from);
    killPoint("pods.created");
    const refused = await this.#admit(spec, pod);
    if (refused) return refused;
    const decided = (seen: Pod | undefined) =>
      seen === undefined ||
      isSettled(seen) ||
      hasStarted(seen) ||
      startFailureOf(seen) !== undefined ||
      waitingReason(seen) !== "ContainerCreating";
    const found = await this.#pods.until(spec.run, decided, this.#options.startMs ?? 5_000, pod);
    if (!found?.pod) throw new NotStartedYet("ContainerCreating");
    pod = found.pod;
    if (hasStarted(pod)) {
      void this.#tighten(spec, pod).catch(() => undefined);
      return startedOf(pod, spec);
    }
    const failure = startFailureOf(pod);
    if (failure === undefined && !isSettled(pod)) {
      const state = stateOf(pod);
      const { reason, message } = "waiting" in state ? state.waiting : { reason: "ContainerCreating" };
      throw new NotStartedYet(reason, message);
    }
    // It must not begin after all while it is told that it did not: taken away first, and looked at again.
    const last = await this.#pods.takeAway(pod, spec.run);
    if (last && hasStarted(last)) return startedOf(last, spec);
    if (failure !== undefined) throw new StartFailure(failure);
    if (last) await this.#pods.drop(last, spec.run);
    const { waiting } = stateOf(pod) as { waiting?: { reason: string; message?: string } };
    throw new NotStartedYet(waiting?.reason ?? "ContainerCreating", waiting?.message);
  }

  async adopt(spec: RunSpec): Promise<void> {
    const pod = await this.#pods.find(spec.run);
    if (!pod) return;
    await this.#openPorts(spec, pod).catch((error: unknown) => {
      // It runs, and an earlier version let it before they were open: they stay shut.
      if (!isForGood(error)) throw error;
    });
    await this.#tighten(spec, pod);
  }

  /**
   * Opens the pod's ports, and only then lets it go to a node.
   * @returns how it has started, where an earlier version let it before its ports were refused
   * @throws StartFailure when they never can be opened: the pod is taken away
   */
  async #admit(spec: RunSpec, pod: Pod): Promise<Started | undefined> {
    try {
      await this.#openPorts(spec, pod);
    } catch (error) {
      const full = isPortsFull(error);
      if (!isForGood(error) && !full) throw refusedStart(error);
      const last = await this.#pods.takeAway(pod, spec.run);
      if (last && hasStarted(last)) return startedOf(last, spec);
      const why = full
        ? "the cluster has no ports left"
        : "the cluster refuses the pod's ports as they were asked for";
      throw new StartFailure(why, { cause: error });
    }
    if (pod.spec.schedulingGates?.length) {
      await unless(this.#pods.patch(pod, "merge", { spec: { schedulingGates: null } }), 404);
    }
    return undefined;
  }

  async #openPorts(spec: RunSpec, pod: Pod): Promise<void> {
    if (hasEnded(pod) || !this.#network.opensPorts(spec)) return;
    for (const { path, object } of portSteps(this.#names, spec, pod.metadata, this.#options.from)) {
      await this.#api.apply(path, object);
    }
    const named = nameStep(this.#names, spec, pod.metadata);
    if (!named) return;
    if (!(await this.#isHeld(named.path, spec))) await this.#api.apply(named.path, named.object);
  }

  /** Does the service belong to a pod of that name that has not ended? One left by an ended pod may be replaced. */
  async #isHeld(service: string, { hostname }: RunSpec): Promise<boolean> {
    const found = await unless(this.#api.call<Pick<Pod, "metadata">>(service), 404);
    const { [LABEL.pod]: pod, [LABEL.run]: run } = found?.metadata.labels ?? {};
    if (pod !== hostname || run === undefined) return false;
    const holder = await this.#pods.find(run);
    return holder !== undefined && !hasEnded(holder);
  }

  /** Puts into the registry what a node did not find there; it asks again by itself. */
  async #heal({ user, imageId }: RunSpec): Promise<void> {
    // Best effort, and not waited for: the pod says what is wrong for as long as it is.
    await this.#options.images.reference({ user, imageId }, true).catch(() => undefined);
  }

  /** @throws ImageMissing; what the handover throws */
  async #imageOf({ user, imageId }: RunSpec): Promise<ImageOfPod> {
    const { workdir, commandOf, images } = this.#options;
    return {
      ...((await commandOf?.(imageId)) ?? { entrypoint: [], cmd: [] }),
      workdir: await workdir(imageId),
      image: await images.reference({ user, imageId }),
    };
  }

  /** The pod of the run: new, or the one from an earlier try. */
  async #create(spec: RunSpec, image: ImageOfPod): Promise<Pod> {
    const { kinds, nodeLostSeconds = NODE_LOST_S, ...rest } = this.#options;
    const kind = kinds[spec.kind];
    if (!kind) throw new NotStartedYet("Unschedulable", `no node is of the kind ${spec.kind}`);
    const { open } = this.#options.runners ?? {};
    const context = { ...rest, ...image, names: this.#names, kind, nodeLostSeconds };
    const manifest = podOf(spec, { ...context, ...(open && { open }) });
    const path = `/api/v1/namespaces/${manifest.metadata.namespace}/pods`;
    try {
      return await this.#api.call<Pod>(path, { method: "POST", body: manifest });
    } catch (error) {
      if (statusOf(error) === 409) {
        const pod = await unless(this.#api.call<Pod>(`${path}/${manifest.metadata.name}`), 404);
        if (pod) return pod;
        throw new NotStartedYet("ContainerCreating");
      }
      throw refusedStart(error);
    }
  }

  /** Kubernetes' own deadline, now that the start is known: it holds should the agent be gone by then. */
  async #tighten(spec: RunSpec, pod: Pod): Promise<void> {
    const state = stateOf(pod);
    const { startTime } = pod.status ?? {};
    if (!("running" in state) || !startTime || spec.maxMs === undefined) return;
    const before = Math.max(0, Date.parse(state.running.startedAt) - Date.parse(startTime));
    const most = Math.ceil((before + spec.maxMs) / 1000) + BACKSTOP_S;
    if (most >= (pod.spec.activeDeadlineSeconds ?? Number.POSITIVE_INFINITY)) return;
    // Best effort: what was given at its creation still holds.
    await this.#pods.patch(pod, "merge", { spec: { activeDeadlineSeconds: most } }).catch(() => undefined);
  }

  async stop(run: string, graceMs: number): Promise<void> {
    const pod = await this.#pods.find(run);
    if (!pod || isSettled(pod)) return;
    if (hasStarted(pod) && !pod.metadata.deletionTimestamp) {
      // Ended by its deadline, and not by deleting it, it keeps its log.
      const body = {
        metadata: { annotations: { [STOPPED]: "true" } },
        spec: { activeDeadlineSeconds: 1 },
      };
      await unless(this.#pods.patch(pod, "merge", body), 404);
      // A node that keeps the same grace is given the time to say so.
      const own = (pod.spec.terminationGracePeriodSeconds ?? 30) * 1000;
      const ms = graceMs + (graceMs >= own ? CONFIRM_MS : 0);
      if (await this.#pods.until(run, (seen) => !seen || isSettled(seen), ms)) return;
    }
    await this.#pods.takeAway(pod, run);
  }

  async usage(run: string): Promise<RunUsage | undefined> {
    const namespace = this.#pods.namespaceOf(run);
    return namespace === undefined ? undefined : this.#usages.of(namespace, this.#names.pod(run));
  }

  async remove(run: string): Promise<void> {
    this.#unstarted.delete(run);
    const pod = await this.#pods.find(run);
    const last = pod && (await this.#pods.takeAway(pod, run));
    if (last) await this.#pods.drop(last, run);
  }

  async inspect(run: string): Promise<ContainerState | undefined> {
    await this.#identify();
    const pod = await this.#pods.find(run);
    return pod && stateOf(pod, await this.#pods.isLost(pod));
  }

  async addressOf(run: string): Promise<string | undefined> {
    return (await this.#pods.find(run))?.status?.podIP;
  }

  async list(): Promise<ListedRun[]> {
    return (await listedPods(this.#pods, this.#names)).filter(({ run }) => !isRunnerId(run));
  }

  /** Without sizes: the nodes count them, and keep each runner to its bound by themselves. */
  async listRunners(): Promise<ListedRunner[]> {
    return (await listedPods(this.#pods, this.#names, { [LABEL.runner]: "" })).filter(({ run }) =>
      isRunnerId(run),
    );
  }

  async *logs(
    run: string,
    options: { follow: boolean; since?: string; signal?: AbortSignal },
  ): AsyncGenerator<LogFrame> {
    const signal = AbortSignal.any([this.#closing.signal, ...(options.signal ? [options.signal] : [])]);
    if (signal.aborted) return;
    const path = this.#pods.pathOf(run) ?? ((await this.#pods.find(run)) && this.#pods.pathOf(run));
    if (!path) return;
    const query = {
      container: "payload",
      timestamps: true,
      follow: options.follow,
      ...(options.since && { sinceTime: `${new Date(options.since).toISOString().slice(0, 19)}Z` }),
    };
    try {
      const stream = await this.#api.stream(`${path}/log`, query, signal);
      try {
        yield* framesOf(stream, async () => {
          const now = await this.#pods.find(run);
          return now === undefined || isSettled(now);
        });
      } finally {
        stream.destroy();
      }
    } catch (error) {
      if (signal.aborted) return;
      const status = statusOf(error);
      // The node has cleared it away, or the container is not there yet.
      if (status === 404 || status === 400) return;
      const pod = await this.#pods.find(run);
      if (pod && !(await this.#isOutOfReach(pod))) throw error;
    }
  }

  /** Is its log never to be had, since its node was given up, whether the run had ended there or not? */
  async #isOutOfReach(pod: Pod): Promise<boolean> {
    if (await this.#pods.isLost(pod)) return true;
    const { nodeName } = pod.spec;
    return nodeName !== undefined && (await this.#lostNodes.look(nodeName)) === "lost";
  }

  watch(hint: (run: string | undefined) => void): () => void {
    return this.#pods.watch.listen((seen) => {
      if (!seen) return hint(undefined);
      const run = this.#names.runOf(seen.pod.metadata);
      if (run === undefined) return;
      if (seen.deleted || isSettled(seen.pod) || this.#unstarted.has(run)) hint(run);
    });
  }

  async written(_user: string): Promise<{ bytes: number; directories: string[] }> {
    // The nodes hold it within each pod's limit (`ephemeral-storage`); nothing here can count it.
    return { bytes: 0, directories: [] };
  }

  async missing(): Promise<undefined> {
    const nodes = await this.nodes();
    if (nodes.length > 0 && nodes.every(({ status }) => status === "Unknown")) {
      throw new Error("nobody says how the nodes are");
    }
    return undefined;
  }

  async nodes(): Promise<NodeReport[]> {
    const { kinds } = this.#options;
    const known = this.#nodes;
    if (known && performance.now() - known.at < NODES_MS) return nodesOf(known.found, kinds);
    try {
      await this.#identify();
      const at = performance.now();
      const { items: found } = await this.#api.list<Node>("/api/v1/nodes");
      this.#nodes = { at, found };
      this.#lostNodes.see(found);
      return nodesOf(found, kinds);
    } catch (error) {
      // What was there is known; how it is now, nobody says.
      if (!known) throw error;
      return nodesOf(known.found, kinds).map((node) => ({ ...node, status: "Unknown" as const }));
    }
  }

  async tidy(user: string): Promise<void> {
    await this.#users.tidy(user);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#api.close();
  }

  /** The cluster's identity: the one namespace that is as old as it. */
  async #identify(): Promise<void> {
    this.#session ??= this.#api
      .call<{ metadata: { uid: string } }>("/api/v1/namespaces/kube-system")
      .then(({ metadata }) => metadata.uid);
    try {
      this.session = await this.#session;
    } catch (error) {
      this.#session = undefined;
      throw error;
    }
  }
}

function startedOf(pod: Pod, spec: RunSpec): Started {
  const startedAt = startedAtOf(pod);
  return { node: pod.spec.nodeName ?? spec.node, ...(startedAt !== undefined && { startedAt }) };
}
