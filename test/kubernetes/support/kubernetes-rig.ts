import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { ulid } from "ulid";
import type { ImageHandover } from "#agent/images/handover/image-handover.ts";
import { KubernetesApi } from "#agent/pods/kubernetes/api.ts";
import { unless } from "#agent/pods/kubernetes/errors.ts";
import { FINALIZER, KubernetesNames } from "#agent/pods/kubernetes/names.ts";
import { KubernetesRuntime } from "#agent/pods/kubernetes/runtime.ts";
import type { KubernetesRuntimeOptions } from "#agent/pods/kubernetes/runtime-options.ts";
import type { Node, Pod } from "#agent/pods/kubernetes/types.ts";
import type { PodManager, PodManagerDeps, PodManagerOptions } from "#agent/pods/pod-manager.ts";
import { ImageMissing, type RunSpec } from "#agent/pods/pod-runtime.ts";
import { Runtimes } from "#agent/pods/runtimes.ts";
import { MiB } from "#protocol/limits.ts";
import { JobRig } from "#test/support/job-rig.ts";
import { PodRig } from "#test/support/pod-rig.ts";
import { mountOf } from "#test/support/run-mounts.ts";
import { testCluster } from "./test-cluster.ts";

/** The one image that there is. */
const RESOLVE: Pick<PodManagerDeps, "resolveImage"> = {
  resolveImage: async (_user, name) => (name === "busybox" ? { id: testCluster().image.id } : undefined),
};

type Named = { metadata: { name: string; finalizers?: string[]; labels?: Record<string, string> } };

/** Everything that a test of pods needs on a real cluster, and its removal. */
export class KubernetesRig {
  readonly api: KubernetesApi;
  readonly instance: string;
  readonly names: KubernetesNames;
  readonly directory = mkdtempSync(path.join(os.tmpdir(), "perigee-kubernetes-"));
  readonly #runtimes: KubernetesRuntime[] = [];
  #pods: PodRig | undefined;
  #jobs: JobRig | undefined;
  readonly #prefix: string;

  private constructor(api: KubernetesApi, instance: string) {
    this.api = api;
    this.instance = instance;
    this.#prefix = instance;
    this.names = new KubernetesNames(instance, instance, this.#prefix);
  }

  static async create(): Promise<KubernetesRig> {
    const api = await KubernetesApi.open({ kubeconfig: testCluster().kubeconfig });
    return new KubernetesRig(api, `t${ulid().slice(-10).toLowerCase()}`);
  }

  async runtime(options: Partial<KubernetesRuntimeOptions> = {}): Promise<KubernetesRuntime> {
    const { kubeconfig, kinds, dns, image } = testCluster();
    const images: ImageHandover = { reference: async () => image.reference };
    const runtime = new KubernetesRuntime({
      api: await KubernetesApi.open({ kubeconfig }),
      instance: this.instance,
      prefix: this.#prefix,
      kinds,
      dns,
      limits: { memory: 64 * MiB, cpus: 1, scratch: 64 * MiB },
      requests: { memory: 8 * MiB, cpus: 0.01 },
      quota: { pods: 64 },
      storage: { kind: "shared", agentPath: this.directory, nodePath: this.directory },
      images,
      // A busy machine is no reason to ask again.
      startMs: 60_000,
      workdir: async (id) => {
        if (id !== image.id) throw new ImageMissing(id);
        return "";
      },
      ...options,
    });
    this.#runtimes.push(runtime);
    return runtime;
  }

  /** Records, volumes and pushed logs of a manager. */
  async pods(): Promise<PodRig> {
    this.#pods ??= await PodRig.create();
    return this.#pods;
  }

  /** An agent's parts for jobs, with pods here: once for a rig. */
  async jobs(options: Partial<KubernetesRuntimeOptions> = {}): Promise<JobRig> {
    const pods = await this.pods();
    const volumes = JobRig.volumesOf(pods);
    const storage = { kind: "shared", agentPath: volumes, nodePath: volumes } as const;
    const runtime = await this.runtime({ storage, ...options });
    this.#jobs = new JobRig(pods, { ...RESOLVE, runtimes: new Runtimes(runtime) });
    return this.#jobs;
  }

  /** A manager that has started, over the pods' database and a runtime of its own. */
  async manager(options: Partial<PodManagerDeps & PodManagerOptions> = {}): Promise<PodManager> {
    const pods = await this.pods();
    const volumes = path.join(pods.directory, "volumes");
    return pods.manager({
      runtimes: new Runtimes(
        await this.runtime({ storage: { kind: "shared", agentPath: volumes, nodePath: volumes } }),
      ),
      ...RESOLVE,
      ...options,
    });
  }

  /** The run of `/bin/sh -c script`; its user's volume is `default`. */
  sh(script: string, over: Partial<RunSpec> = {}): RunSpec {
    const user = over.user ?? "ada";
    return {
      run: ulid(),
      user,
      pod: "default",
      mounts: [mountOf(this.volume(`${user}-default`), "default")],
      network: "user",
      defaultWorkdir: "/data",
      imageId: testCluster().image.id,
      node: "",
      kind: "MPU",
      command: ["/bin/sh", "-c", script],
      ports: [],
      envs: {},
      maxMs: 3600_000,
      graceMs: 30_000,
      ...over,
    };
  }

  /** Path of a volume; it is made, writable for every user id. */
  volume(name: string): string {
    chmodSync(this.directory, 0o755);
    const directory = path.join(this.directory, name);
    mkdirSync(directory, { recursive: true });
    chmodSync(directory, 0o777);
    return directory;
  }

  /** The pod of a run. @throws Error when there is none */
  async pod(run: string): Promise<Pod> {
    const labelSelector = `${this.names.selector},perigee.run=${run}`;
    const { items } = await this.api.list<Pod>("/api/v1/pods", { labelSelector });
    if (!items[0]) throw new Error(`no pod of ${run}`);
    return items[0];
  }

  async addresses(run: string): Promise<string[]> {
    const { status } = await this.pod(run);
    return status?.podIP ? [status.podIP] : [];
  }

  /** Lines of a run's output, to its end. */
  async lines(runtime: KubernetesRuntime, run: string): Promise<string[]> {
    const lines: string[] = [];
    for await (const { text } of runtime.logs(run, { follow: true })) lines.push(`${text}`);
    return lines;
  }

  /** Asks until it is so. */
  async until<T>(ask: () => Promise<T | undefined | false>): Promise<T> {
    for (;;) {
      const found = await ask();
      if (found) return found;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  nodes(): Promise<Node[]> {
    return this.api.list<Node>("/api/v1/nodes").then(({ items }) => items);
  }

  async cleanUp(): Promise<void> {
    await this.#jobs?.manager.close();
    for (const runtime of this.#runtimes) await runtime.close();
    const labelSelector = this.names.selector;
    const { items: pods } = await this.api.list<Pod>("/api/v1/pods", { labelSelector });
    for (const { metadata } of pods) {
      const at = `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}`;
      const body = { metadata: { "$deleteFromPrimitiveList/finalizers": [FINALIZER] } };
      await unless(this.api.call(at, { method: "PATCH", patch: "strategic", body }), 404);
      await unless(this.api.call(at, { method: "DELETE", body: { gracePeriodSeconds: 1 } }), 404);
    }
    for (const path of ["/api/v1/namespaces", "/api/v1/persistentvolumes"]) {
      const { items } = await this.api.list<Named>(path, { labelSelector });
      for (const { metadata } of items) {
        await unless(this.api.call(`${path}/${metadata.name}`, { method: "DELETE" }), 404, 409);
      }
    }
    // The nodes let go of the volumes' directories before these go.
    await this.until(async () => {
      const { items } = await this.api.list<Named>("/api/v1/namespaces", { labelSelector });
      return items.length === 0;
    });
    this.api.close();
    await (this.#jobs ?? this.#pods)?.cleanUp();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
