import { createHash } from "node:crypto";
import { createGunzip, type Gunzip } from "node:zlib";
import { LIMITS } from "#protocol/limits.ts";
import { END_OF_TAR, fileHeader, paddingOf } from "../../files/tar-header.ts";
import { TarError, TarParser } from "../../files/tar-parser.ts";
import { kindOf } from "./archive-kind.ts";
import { type ArchiveFile, isGzip } from "./archive-stream.ts";
import type { SavedImage, StoredLayer } from "./saved-image.ts";

export type EmitOptions = {
  /** the one tag of what is sent (default: it has no name) */
  reference?: string;
  /** bytes that all layers may unpack to */
  maxBytes: number;
  signal: AbortSignal;
  /** bytes of layers sent so far */
  onBytes?(bytes: number): void;
};

/** entries in a layer */
const MAX_FILES = 2_000_000;

/**
 * The archive for the engine: the image's config, its layers and a manifest of our own, nothing else of the
 * user's. A layer is checked as it passes; the manifest comes last, so that the engine, which unpacks all
 * of it before it reads the manifest, has nothing to load when a check fails.
 * @throws TarError, the signal's reason
 */
export async function* emitImage(
  archive: ArchiveFile,
  image: SavedImage,
  options: EmitOptions,
): AsyncGenerator<Buffer> {
  yield* file("config.json", image.config);
  const budget = { left: options.maxBytes };
  const stored = new Map(image.layers.map((layer) => [layer.n, layer]));
  let layer: LayerCheck | undefined;
  let bytes = 0;
  let n = 0;
  for await (const event of archive.read(options.signal)) {
    if ("data" in event) {
      if (!layer) continue;
      await layer.check(event.data);
      yield event.data;
      bytes += event.data.length;
      options.onBytes?.(bytes);
      continue;
    }
    if (layer) yield await endOf(layer);
    layer = undefined;
    const found = stored.get(n++);
    if (found === undefined || event.entry.type !== "file") continue;
    stored.delete(found.n);
    layer = new LayerCheck(found, event.entry.size, budget);
    yield fileHeader(layerName(found), event.entry.size);
  }
  if (layer) yield await endOf(layer);
  if (stored.size > 0) throw new TarError("the archive changed while it was read");
  const byDiffId = new Map(image.layers.map((one) => [one.diffId, layerName(one)]));
  const manifest = [
    {
      Config: "config.json",
      RepoTags: options.reference === undefined ? null : [options.reference],
      Layers: image.diffIds.map((diffId) => byDiffId.get(diffId)!),
    },
  ];
  yield* file("manifest.json", Buffer.from(JSON.stringify(manifest)));
  yield END_OF_TAR;
}

function layerName({ diffId, n }: StoredLayer): string {
  return `${diffId.slice("sha256:".length)}-${n}.tar`;
}

/** A file of our own, in an archive. */
export function* file(name: string, content: Buffer): Generator<Buffer> {
  yield fileHeader(name, content.length);
  yield content;
  yield paddingOf(content.length);
}

async function endOf(layer: LayerCheck): Promise<Buffer> {
  await layer.end();
  return paddingOf(layer.size);
}

/** Looks at a layer as it passes: is it the one that the config names, and does it unpack within bounds? */
class LayerCheck {
  readonly size: number;
  readonly #path: string;
  readonly #diffId: string;
  readonly #budget: { left: number };
  readonly #hash = createHash("sha256");
  // the engine keeps what follows the end beside its layer, where no quota sees it
  readonly #parser = new TarParser(MAX_FILES, { trailing: LIMITS.layerTrailingBytes, mayBeEmpty: true });
  #start = Buffer.alloc(0);
  #gunzip: Gunzip | undefined;
  #decided = false;
  #failure: Error | undefined;

  constructor({ path, diffId }: StoredLayer, size: number, budget: { left: number }) {
    this.#path = path.slice(0, 200);
    this.#diffId = diffId;
    this.size = size;
    this.#budget = budget;
  }

  async check(chunk: Buffer): Promise<void> {
    if (this.#decided) return this.#pass(chunk);
    this.#start = Buffer.concat([this.#start, chunk]);
    if (this.#start.length >= 6) await this.#decide();
  }

  async end(): Promise<void> {
    if (!this.#decided) await this.#decide();
    if (this.#gunzip) {
      const gunzip = this.#gunzip;
      await new Promise<void>((resolve) => {
        if (gunzip.closed) return resolve();
        gunzip.once("close", resolve);
        gunzip.end();
      });
    }
    if (this.#failure) throw this.#failure;
    this.#guard(() => this.#parser.end());
    if (`sha256:${this.#hash.digest("hex")}` !== this.#diffId) {
      throw new TarError(`layer ${this.#path} is not what the config says`);
    }
  }

  async #decide(): Promise<void> {
    this.#decided = true;
    const start = this.#start;
    if (isGzip(start)) {
      this.#gunzip = createGunzip();
      this.#gunzip.on("data", (data: Buffer) => this.#unpacked(data));
      this.#gunzip.on("error", () => {
        this.#failure ??= new TarError(`layer ${this.#path}: the gzip data is damaged`);
      });
    } else {
      // the engine would unpack some of them, without a bound
      const kind = kindOf(start);
      if (kind) {
        throw new TarError(
          `layer ${this.#path} is ${kind}: only tar and gzip are known; save the image with uncompressed layers (podman save --format docker-archive) or with gzip`,
        );
      }
    }
    await this.#pass(start);
  }

  async #pass(chunk: Buffer): Promise<void> {
    if (this.#gunzip) {
      const gunzip = this.#gunzip;
      if (!gunzip.destroyed) {
        await new Promise<void>((resolve) => {
          const done = () => {
            gunzip.off("close", done);
            resolve();
          };
          gunzip.once("close", done);
          gunzip.write(chunk, done);
        });
      }
    } else this.#unpacked(chunk);
    if (this.#failure) throw this.#failure;
  }

  #unpacked(data: Buffer): void {
    if (this.#failure) return;
    try {
      this.#budget.left -= data.length;
      if (this.#budget.left < 0) throw new TarError("the layers unpack to more than is allowed");
      this.#hash.update(data);
      // the contents are of no interest here, only that the headers hold nothing that swells
      this.#guard(() => {
        for (const _ of this.#parser.push(data));
      });
    } catch (error) {
      this.#failure = error as Error;
      this.#gunzip?.destroy();
    }
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof TarError)) throw error;
      throw new TarError(`layer ${this.#path}: ${error.message}`);
    }
  }
}
