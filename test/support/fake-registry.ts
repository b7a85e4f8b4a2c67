import { createHash, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A registry in memory that an engine can push to (distribution API v2), and that can be made to fail. */
export class FakeRegistry {
  readonly blobs = new Map<string, Buffer>();
  /** by `repository` and then by tag or digest */
  readonly manifests = new Map<string, Map<string, { digest: string; type: string; body: Buffer }>>();
  /** method and path of every request that was let in */
  readonly requests: string[] = [];
  /** `user:password` that it wants */
  readonly password = `agent:${randomUUID()}`;
  /** asked before each request: a status to refuse it with, or something to wait for */
  fault: ((method: string, path: string) => number | undefined | Promise<undefined>) | undefined;
  #pushes = 0;
  readonly #uploads = new Map<string, Buffer[]>();
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
  }

  static async start(port = 0): Promise<FakeRegistry> {
    const registry = new FakeRegistry();
    await new Promise<void>((resolve) => registry.#server.listen(port, "127.0.0.1", resolve));
    return registry;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** `repository@digest` of all manifests */
  get held(): string[] {
    return [...this.manifests]
      .flatMap(([repository, byName]) => [...byName.values()].map(({ digest }) => `${repository}@${digest}`))
      .filter((name, i, all) => all.indexOf(name) === i)
      .sort();
  }

  /** How often an engine has pushed an image to its end. */
  pushes(): number {
    return this.#pushes;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "" } = request;
    const url = new URL(request.url ?? "/", "http://registry");
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const say = (status: number, headers: Record<string, string> = {}, body: Buffer | string = "") => {
      response.writeHead(status, { "docker-distribution-api-version": "registry/2.0", ...headers });
      response.end(method === "HEAD" ? undefined : body);
    };
    if (request.headers.authorization !== `Basic ${Buffer.from(this.password).toString("base64")}`) {
      return say(401, { "www-authenticate": 'Basic realm="fake"' });
    }
    this.requests.push(`${method} ${url.pathname}`);
    const fault = await this.fault?.(method, url.pathname);
    if (fault !== undefined) return say(fault);
    if (url.pathname === "/v2/") return say(200);
    const [, repository, kind, name = ""] =
      /^\/v2\/(.+?)\/(blobs\/uploads|blobs|manifests)\/(.*)$/.exec(url.pathname) ?? [];
    if (!repository) return say(404);
    const body = Buffer.concat(chunks);
    const ofEngine = /^docker\//.test(request.headers["user-agent"] ?? "");
    if (kind === "manifests" && method === "PUT" && ofEngine) this.#pushes++;
    if (kind === "manifests") {
      const type = request.headers["content-type"] ?? "";
      return this.#manifest(method, repository, name, { type, body }, say);
    }
    if (kind === "blobs") {
      const blob = this.blobs.get(name);
      return blob ? say(200, { "content-length": String(blob.length) }, blob) : say(404);
    }
    return this.#upload(method, repository, name, url.searchParams.get("digest"), body, say);
  }

  #manifest(
    method: string,
    repository: string,
    name: string,
    { type, body }: { type: string; body: Buffer },
    say: Say,
  ) {
    const known = this.manifests.get(repository) ?? new Map();
    this.manifests.set(repository, known);
    if (method === "PUT") {
      const digest = digestOf(body);
      for (const key of [name, digest]) known.set(key, { digest, type, body });
      return say(201, { "docker-content-digest": digest });
    }
    const found = known.get(name);
    if (!found) return say(404);
    if (method === "DELETE") {
      for (const [key, { digest }] of known) if (digest === found.digest) known.delete(key);
      return say(202);
    }
    say(200, { "docker-content-digest": found.digest, "content-type": found.type }, found.body);
  }

  #upload(method: string, repository: string, id: string, digest: string | null, body: Buffer, say: Say) {
    const upload = method === "POST" ? randomUUID() : id;
    const parts = [...(this.#uploads.get(upload) ?? []), body];
    this.#uploads.set(upload, parts);
    const location = `/v2/${repository}/blobs/uploads/${upload}`;
    if (method !== "PUT") {
      const length = parts.reduce((sum, part) => sum + part.length, 0);
      return say(202, { location, "docker-upload-uuid": upload, range: `0-${Math.max(0, length - 1)}` });
    }
    const blob = Buffer.concat(parts);
    if (digestOf(blob) !== digest) return say(400);
    this.blobs.set(digest, blob);
    say(201, { "docker-content-digest": digest });
  }
}

type Say = (status: number, headers?: Record<string, string>, body?: Buffer | string) => void;

function digestOf(body: Buffer): string {
  return `sha256:${createHash("sha256").update(body).digest("hex")}`;
}
