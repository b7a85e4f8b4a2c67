import { PerigeeError } from "#protocol/errors.ts";
import { checkedPath } from "../../checked-path.ts";
import type { LayerOfManifest } from "./sealed-image.ts";

const ANSWER_MS = 15_000;
const MANIFEST_BYTES = 4 * 1024 * 1024;
const MANIFEST_TYPES = [
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
].join(", ");

/** Content of the registry by its digest; `size` in bytes as stored. */
export type Blob = { digest: string; size: number };

/** A manifest and all that it needs, itself among the blobs. */
export type StoredImage = { digest: string; blobs: Blob[] };

/** A manifest as the registry has it; `layers` are among its blobs, lowest first. */
export type StoredManifest = StoredImage & { layers: LayerOfManifest[] };

/**
 * The write side of a registry (distribution API v2). Every call ends within 15 s.
 * All throw PerigeeError REGISTRY_UNAVAILABLE when it does not answer or refuses.
 */
export class RegistryClient {
  readonly #base: string;
  readonly #headers: Record<string, string>;

  /** @param address `host:port`; @param password `user:password`, where the registry wants one */
  constructor(address: string, password?: string) {
    this.#base = `http://${address}/v2`;
    this.#headers = password ? { authorization: `Basic ${Buffer.from(password).toString("base64")}` } : {};
  }

  /** Is this manifest there? `reference`: a tag or a digest. */
  async has(repository: string, reference: string): Promise<boolean> {
    const answer = await this.#ask("HEAD", `/${repository}/manifests/${reference}`, [200, 404]);
    return answer.status === 200;
  }

  /** Are the blobs of an image all there? */
  async isWhole(repository: string, { digest: own, blobs }: StoredImage): Promise<boolean> {
    for (const { digest } of blobs) {
      const kind = digest === own ? "manifests" : "blobs";
      const answer = await this.#ask("HEAD", `/${repository}/${kind}/${digest}`, [200, 404]);
      if (answer.status !== 200) return false;
    }
    return true;
  }

  /** A manifest by tag or digest; undefined when it is not there. */
  async manifest(repository: string, reference: string): Promise<StoredManifest | undefined> {
    const answer = await this.#ask("GET", `/${repository}/manifests/${reference}`, [200, 404]);
    if (answer.status === 404) return undefined;
    const digest = answer.headers.get("docker-content-digest");
    const { config, layers } = parse(answer.text);
    if (!digest || !config || !layers) throw unavailable("it answered with no manifest of an image");
    const blobs = [{ digest, size: answer.text.length }, config, ...layers];
    return { digest, blobs: blobs.map(({ digest, size }) => ({ digest, size })), layers };
  }

  /** Stores a blob where it is not there yet. */
  async putBlob(repository: string, { digest, data }: { digest: string; data: Buffer }): Promise<void> {
    const known = await this.#ask("HEAD", `/${repository}/blobs/${digest}`, [200, 404]);
    if (known.status === 200) return;
    // The protocol wants the slash at its end.
    const begun = await this.#ask("POST", `/${repository}/blobs/uploads`, [202], { suffix: "/" });
    const upload = new URL(begun.headers.get("location") ?? "", this.#base);
    const own = new URL(this.#base);
    if (upload.host !== own.host || !upload.pathname.startsWith(`${own.pathname}/`)) {
      throw unavailable("it wants a blob to be sent elsewhere");
    }
    upload.searchParams.set("digest", digest);
    const path = upload.pathname.slice(own.pathname.length);
    const body = { type: "application/octet-stream", data };
    await this.#ask("PUT", path, [201], { suffix: upload.search, body });
  }

  /** Stores a manifest whose blobs are there, under a tag. */
  async putManifest(
    repository: string,
    tag: string,
    { mediaType, data }: { mediaType: string; data: Buffer },
  ): Promise<void> {
    await this.#ask("PUT", `/${repository}/manifests/${tag}`, [201], { body: { type: mediaType, data } });
  }

  /** Removes a manifest by its digest; what it needed stays until it is collected. One that is not there is no error. */
  async remove(repository: string, digest: string): Promise<void> {
    await this.#ask("DELETE", `/${repository}/manifests/${digest}`, [202, 404]);
  }

  /** @param end what follows the path: a slash, or the query that the registry itself has given */
  async #ask(
    method: string,
    path: string,
    statuses: readonly number[],
    /** `suffix`: a fixed text, or the query of an address that the registry gave */
    { suffix = "", body }: { suffix?: string; body?: { type: string; data: Buffer } } = {},
  ) {
    let answer: { status: number; headers: Headers; text: string };
    try {
      const response = await fetch(`${this.#base}${checkedPath(path)}${suffix}`, {
        method,
        headers: { ...this.#headers, accept: MANIFEST_TYPES, ...(body && { "content-type": body.type }) },
        ...(body && { body: new Uint8Array(body.data) }),
        redirect: "error",
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      answer = { status: response.status, headers: response.headers, text: await boundedText(response) };
    } catch (cause) {
      throw unavailable((cause as Error).message, cause);
    }
    if (statuses.includes(answer.status)) return answer;
    throw unavailable(`${method} was answered with ${answer.status}`);
  }
}

/** The cause is for the log: users need not know the registry's address. */
export function unavailable(why: string, cause: unknown = new Error(why)): PerigeeError {
  return new PerigeeError("REGISTRY_UNAVAILABLE", "The image registry onboard does not answer or refuses", {
    cause,
  });
}

async function boundedText(response: Response): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MANIFEST_BYTES) throw new Error("the answer never ends");
  }
  return text;
}

function parse(text: string): { config?: Blob; layers?: LayerOfManifest[] } {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}
