import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Serial } from "#protocol/serial.ts";
import { NoRunnerNetwork, NotStartedYet, type RunMount, type RunSpec } from "../pod-runtime.ts";
import type { KubernetesApi } from "./api.ts";
import { unless } from "./errors.ts";
import { type KubernetesNames, PATH } from "./names.ts";
import {
  type ClusterDns,
  namespaceSteps,
  type Step,
  type UserQuota,
  type VolumeStorage,
  volumeSteps,
} from "./namespace.ts";
import { type OpenRules, type RunnerNamespaceContext, runnerNamespaceSteps } from "./runner-namespace.ts";
import type { Claim, Pod, Volume } from "./types.ts";

export type UsersOptions = {
  quota: UserQuota;
  dns: ClusterDns;
  limits: { memory: number; cpus: number; scratch: number };
  storage: VolumeStorage;
  /** of the namespaces of runners */
  runners: Pick<RunnerNamespaceContext, "limits" | "most">;
  /** what runners with a network may; absent: none has one @throws NoRunnerNetwork */
  openNetwork?: (() => Promise<OpenRules>) | undefined;
};

/** What somebody changed by hand is put right again after this long. */
const RENEW_MS = 10 * 60_000;
const BIND_MS = 15_000;

/**
 * What the pods of a user share in the cluster: the namespace with its policies, and the volumes' claims; beside it the
 * namespace of the user's runners.
 */
export class KubernetesUsers {
  readonly #api: KubernetesApi;
  readonly #names: KubernetesNames;
  readonly #options: UsersOptions;
  readonly #serial = new Serial();
  /** when it was last seen to be complete (monotonic ms), by namespace or persistent volume */
  readonly #ready = new Map<string, number>();
  /** starts under way by namespace: what they need stays */
  readonly #held = new Map<string, number>();

  constructor(api: KubernetesApi, names: KubernetesNames, options: UsersOptions) {
    this.#api = api;
    this.#names = names;
    this.#options = options;
  }

  /**
   * Calls `work` when namespace and claim are there; they stay until it returns.
   * @param isNew its pod is yet to be made: what is to hold for it is looked at anew
   * @throws NoRunnerNetwork
   */
  async use<T>(spec: RunSpec, work: () => Promise<T>, isNew = true): Promise<T> {
    const home = this.#names.home(spec);
    this.#held.set(home, (this.#held.get(home) ?? 0) + 1);
    try {
      await this.#serial.run(home, () => this.#ensure(spec, isNew));
      return await work();
    } finally {
      const held = (this.#held.get(home) ?? 1) - 1;
      if (held > 0) this.#held.set(home, held);
      else this.#held.delete(home);
    }
  }

  /** Something was not there that should be: all that the run needs is looked at again. */
  forget(spec: Pick<RunSpec, "user" | "runner">): void {
    this.#forget(this.#names.home(spec));
  }

  /** Gives back what of the user's namespaces, that of the pods and that of the runners, nothing needs any more. */
  async tidy(user: string): Promise<void> {
    await this.#tidy(this.#names.namespace(user));
    await this.#tidy(this.#names.runnerNamespace(user));
  }

  #forget(namespace: string): void {
    for (const name of this.#ready.keys()) if (name.startsWith(namespace)) this.#ready.delete(name);
  }

  /** Gives back claims whose directory is gone, and the namespace with the last of them; nothing while a pod is there. */
  async #tidy(namespace: string): Promise<void> {
    await this.#serial.run(namespace, async () => {
      if (this.#held.has(namespace)) return;
      const pods = await this.#api.call<{ items: Pod[] }>(`/api/v1/namespaces/${namespace}/pods`, {
        query: { limit: 1 },
      });
      if (pods.items.length > 0) return;
      const path = `/api/v1/namespaces/${namespace}/persistentvolumeclaims`;
      const { items: claims } = await this.#api.list<Claim>(path, { labelSelector: this.#names.selector });
      const gone = claims.filter(({ metadata }) => !existsSync(metadata.annotations?.[PATH] ?? ""));
      for (const { metadata, spec } of gone) {
        await this.#delete(`${path}/${metadata.name}`);
        if (spec?.volumeName) await this.#delete(`/api/v1/persistentvolumes/${spec.volumeName}`);
      }
      if (gone.length > 0) this.#forget(namespace);
      // One that never had a volume has nothing to lose; it may also be gone already.
      if (gone.length === claims.length) {
        this.#forget(namespace);
        await this.#delete(`/api/v1/namespaces/${namespace}`);
      }
    });
  }

  async #ensure(spec: RunSpec, isNew: boolean): Promise<void> {
    const namespace = this.#names.home(spec);
    // What a runner with a network must not reach may have changed: it starts with rules of now. While its pod waits for
    // a node it is asked for twice a second.
    if (!this.#isReady(namespace) || (isNew && spec.network === "open")) {
      const [first, ...rest] = await this.#stepsOf(spec);
      await this.#apply(first);
      await Promise.all(rest.map((step) => this.#apply(step)));
      this.#ready.set(namespace, performance.now());
    }
    for (const mount of spec.mounts) {
      const name = this.#names.persistentVolume(spec.user, mount.volume);
      if (this.#isReady(name)) continue;
      await this.#bind(spec.user, mount);
      this.#ready.set(name, performance.now());
    }
  }

  /** @throws NoRunnerNetwork */
  async #stepsOf(spec: RunSpec): Promise<[namespace: Step, ...content: Step[]]> {
    if (!spec.runner) return namespaceSteps(this.#names, spec.user, this.#options);
    const { runners, openNetwork } = this.#options;
    if (spec.network === "open" && !openNetwork) throw new NoRunnerNetwork("runners have no network here");
    const open = await openNetwork?.().catch((error: unknown) => {
      if (spec.network === "open") throw error;
      // Runners with a network may run there: they keep it though the cluster does not answer now.
      return "unknown" as const;
    });
    return runnerNamespaceSteps(this.#names, spec.user, { ...runners, open });
  }

  #isReady(name: string): boolean {
    const at = this.#ready.get(name);
    return at !== undefined && performance.now() - at < RENEW_MS;
  }

  /** Makes persistent volume and claim, and waits until each has the other. */
  async #bind(user: string, mount: RunMount): Promise<void> {
    const [volume, claim] = volumeSteps(this.#names, user, mount, this.#options.storage);
    const late = performance.now() + BIND_MS;
    for (let pause = 20; performance.now() < late; pause = Math.min(pause * 2, 500)) {
      const there = await unless(this.#api.call<Volume>(volume.path), 404);
      // Its claim was deleted: it remembers that one, and takes no other.
      if (there && /^(?:Released|Failed)$/.test(there.status?.phase ?? "")) {
        await this.#delete(volume.path);
        continue;
      }
      if (!there) await this.#apply(volume);
      const bound = await this.#api.apply<Claim>(claim.path, claim.object);
      if (bound.status?.phase === "Bound" && !bound.metadata.deletionTimestamp) return;
      await sleep(pause);
    }
    throw new NotStartedYet("ContainerCreating");
  }

  async #apply({ path, object }: Step): Promise<void> {
    await this.#api.apply(path, object);
  }

  async #delete(path: string): Promise<void> {
    await unless(this.#api.call(path, { method: "DELETE" }), 404, 409);
  }
}
