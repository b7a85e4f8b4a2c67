import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KubernetesApi } from "#agent/pods/kubernetes/api.ts";
import type { Manifest, Metadata, Node, Pod } from "#agent/pods/kubernetes/types.ts";

type Stored = { metadata: Metadata; kind?: string; spec?: object; status?: object };
type Body = Record<string, unknown>;

const COLLECTION = /\/(?:nodes|namespaces|pods|persistentvolumes|persistentvolumeclaims)$/;

/**
 * An API server in memory: it keeps objects and tells of pods, and nothing acts on them. What kubelets and
 * controllers would do tests do with {@link run}, {@link change} and {@link node}.
 */
export class FakeCluster {
  readonly objects = new Map<string, Stored>();
  /** method and path of every request, the oldest first */
  readonly requests: string[] = [];
  /** asked before each request: a status to refuse it with */
  fault: ((method: string, path: string) => number | undefined) | undefined;
  /** what such a refusal says */
  faultMessage = "fault";
  /** called with every pod that is created, before it is answered */
  created: (pod: Pod) => void = () => undefined;
  /** output of every run */
  log = "";
  readonly #server: Server;
  readonly #directory = mkdtempSync(join(tmpdir(), "perigee-cluster-"));
  readonly #watches = new Set<ServerResponse>();
  readonly #apis: KubernetesApi[] = [];
  #version = 1;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
    this.#put("/api/v1/namespaces/kube-system", { metadata: { name: "kube-system" } });
    this.node("node1", "True");
  }

  static async start(): Promise<FakeCluster> {
    const cluster = new FakeCluster();
    await new Promise<void>((resolve) => cluster.#server.listen(0, "127.0.0.1", resolve));
    return cluster;
  }

  async api(): Promise<KubernetesApi> {
    const kubeconfig = join(this.#directory, "config");
    const server = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    writeFileSync(
      kubeconfig,
      JSON.stringify({
        clusters: [{ name: "c", cluster: { server, "insecure-skip-tls-verify": true } }],
        users: [{ name: "u", user: { token: "token" } }],
        contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
        "current-context": "x",
      }),
    );
    const api = await KubernetesApi.open({ kubeconfig });
    this.#apis.push(api);
    return api;
  }

  /** Path of an empty directory for volumes. */
  get directory(): string {
    return this.#directory;
  }

  /** A node with the label `kind=mpu` as it now stands; undefined: its object goes. */
  node(name: string, ready: "True" | "False" | "Unknown" | undefined): void {
    const path = `/api/v1/nodes/${name}`;
    const before = this.objects.get(path) as Node | undefined;
    if (ready === undefined) return void this.objects.delete(path);
    const [condition] = before?.status?.conditions ?? [];
    const lastTransitionTime =
      condition?.status === ready ? condition.lastTransitionTime : new Date().toISOString();
    this.#put(path, {
      ...before,
      metadata: { ...before?.metadata, name, labels: { kind: "mpu" } },
      status: { conditions: [{ type: "Ready", status: ready, lastTransitionTime }] },
    });
  }

  /** The pod of a run. @throws Error when there is none */
  pod(run: string): Pod {
    const found = this.#pods().find(([, { metadata }]) => metadata.labels?.["perigee.run"] === run);
    if (!found) throw new Error(`no pod of ${run}`);
    return found[1];
  }

  has(run: string): boolean {
    return this.#pods().some(([, { metadata }]) => metadata.labels?.["perigee.run"] === run);
  }

  /** Changes the pod of a run, and tells of it. */
  change(run: string, change: (pod: Pod) => void): void {
    const [path, pod] = this.#pods().find(([, { metadata }]) => metadata.labels?.["perigee.run"] === run)!;
    const changed = structuredClone(pod);
    change(changed);
    this.#put(path, changed);
  }

  /** What a kubelet says of a pod whose container runs. */
  run(pod: Pod, startedAt = new Date().toISOString()): void {
    pod.spec.nodeName = "node1";
    pod.status = {
      phase: "Running",
      startTime: startedAt,
      containerStatuses: [{ containerID: "c://1", state: { running: { startedAt } } }],
    };
  }

  /** What a kubelet says of a pod whose container ended. */
  end(pod: Pod, exitCode = 0): void {
    const startedAt = pod.status?.containerStatuses?.[0]?.state?.running?.startedAt ?? "";
    const finishedAt = new Date().toISOString();
    pod.status = {
      ...pod.status,
      phase: exitCode === 0 ? "Succeeded" : "Failed",
      containerStatuses: [
        { containerID: "c://1", state: { terminated: { exitCode, startedAt, finishedAt } } },
      ],
    };
  }

  /** Requests so far whose line matches. */
  asked(pattern: RegExp): string[] {
    return this.requests.filter((line) => pattern.test(line));
  }

  /** Resolves when a request was made whose line matches. */
  async heard(pattern: RegExp): Promise<void> {
    while (this.asked(pattern).length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  async close(): Promise<void> {
    for (const api of this.#apis) api.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.#directory, { recursive: true });
  }

  #pods(): [string, Pod][] {
    return [...this.objects].filter(([path]) => /\/pods\/[^/]+$/.test(path)) as [string, Pod][];
  }

  #put(path: string, object: Omit<Stored, "metadata"> & { metadata: Partial<Metadata> }): Stored {
    const metadata = {
      uid: randomUUID(),
      ...object.metadata,
      resourceVersion: String(++this.#version),
    } as Metadata;
    const stored = { ...object, metadata };
    const type = this.objects.has(path) ? "MODIFIED" : "ADDED";
    this.objects.set(path, stored);
    if (/\/pods\//.test(path)) this.#tell(type, stored);
    return stored;
  }

  #drop(path: string): void {
    const object = this.objects.get(path)!;
    this.objects.delete(path);
    if (/\/pods\//.test(path)) this.#tell("DELETED", object);
  }

  #tell(type: string, object: Stored): void {
    for (const watch of this.#watches) watch.write(`${JSON.stringify({ type, object })}\n`);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "" } = request;
    const url = new URL(request.url ?? "/", "http://cluster");
    let text = "";
    for await (const chunk of request) text += chunk;
    const say = (status: number, body: object | string) =>
      response.writeHead(status).end(typeof body === "string" ? body : JSON.stringify(body));
    this.requests.push(`${method} ${url.pathname}`);
    const fault = this.fault?.(method, url.pathname);
    if (fault !== undefined) return void say(fault, { message: this.faultMessage });
    if (url.searchParams.has("watch")) {
      response.writeHead(200).flushHeaders();
      this.#watches.add(response);
      return void response.once("close", () => this.#watches.delete(response));
    }
    if (url.pathname.endsWith("/log")) return void say(200, this.log);
    const body = (text === "" ? {} : JSON.parse(text)) as Body;
    const known = this.objects.get(url.pathname);
    if (method === "POST") return void say(...this.#create(url.pathname, body as Manifest));
    if (method === "GET" && !known && COLLECTION.test(url.pathname)) {
      return void say(200, this.#list(url.pathname, url.searchParams.get("labelSelector") ?? ""));
    }
    const isApply = request.headers["content-type"]?.includes("apply");
    if (!known && !isApply) return void say(404, { message: "not found" });
    if (method === "PATCH") return void say(200, this.#patch(url.pathname, body));
    if (method === "DELETE") this.#delete(url.pathname, Number(body.gracePeriodSeconds ?? 30));
    say(200, known ?? {});
  }

  #create(collection: string, manifest: Manifest): [number, object] {
    const path = `${collection}/${manifest.metadata.name}`;
    if (this.objects.has(path)) return [409, { reason: "AlreadyExists" }];
    const object = structuredClone(manifest) as unknown as Stored;
    if (collection.endsWith("/pods")) this.created(object as Pod);
    return [201, this.#put(path, object)];
  }

  #list(path: string, selector: string): object {
    const wanted = selector.split(",").filter(Boolean);
    const plural = path.split("/").at(-1);
    const items = [...this.objects]
      .filter(([at]) => at.split("/").at(-2) === plural && at.startsWith(path.replace(`/${plural}`, "/")))
      .map(([, object]) => object)
      .filter(({ metadata }) =>
        wanted.every((term) => metadata.labels?.[term.split("=")[0]!] === term.split("=")[1]),
      );
    return { items, metadata: { resourceVersion: String(this.#version) } };
  }

  #patch(path: string, body: Body): Stored {
    const before = (this.objects.get(path) ?? { metadata: {} }) as Stored;
    const { "$deleteFromPrimitiveList/finalizers": dropped, ...metadata } = (body.metadata ?? {}) as Body;
    const merged = merge(before as Body, { ...body, metadata }) as unknown as Stored;
    if (dropped) {
      merged.metadata.finalizers = before.metadata.finalizers?.filter(
        (name) => !(dropped as string[]).includes(name),
      );
    }
    if (merged.kind === "PersistentVolumeClaim") merged.status = { phase: "Bound" };
    const stored = this.#put(path, merged);
    this.#collect(path);
    return stored;
  }

  #delete(path: string, grace: number): void {
    const object = structuredClone(this.objects.get(path)!);
    const isPod = /\/pods\//.test(path);
    const least = Math.min(grace, object.metadata.deletionGracePeriodSeconds ?? grace);
    object.metadata.deletionTimestamp ??= new Date().toISOString();
    object.metadata.deletionGracePeriodSeconds = isPod && (object as Pod).spec.nodeName ? least : 0;
    this.#put(path, object);
    this.#collect(path);
  }

  /** A deleted object goes when nothing holds it. */
  #collect(path: string): void {
    const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = this.objects.get(path)!.metadata;
    if (deletionTimestamp && deletionGracePeriodSeconds === 0 && !finalizers?.length) this.#drop(path);
  }
}

function merge(before: Body, change: Body): Body {
  const merged = { ...before };
  for (const [key, value] of Object.entries(change)) {
    const old = merged[key];
    const both = isPlain(old) && isPlain(value);
    merged[key] = both ? merge(old, value) : value;
  }
  return merged;
}

function isPlain(value: unknown): value is Body {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
