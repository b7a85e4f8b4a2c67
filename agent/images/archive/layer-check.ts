import { createHash } from "node:crypto";
import { createGunzip, type Gunzip } from "node:zlib";
import { LIMITS } from "#protocol/limits.ts";
import { TarError, TarParser } from "../../files/tar-parser.ts";
import { kindOf } from "./archive-kind.ts";
import { isGzip } from "./archive-stream.ts";
import type { StoredLayer } from "./saved-image.ts";

/** entries in a layer */
const MAX_FILES = 2_000_000;

/** Looks at a layer as it passes: is it the one that the config names, and does it unpack within bounds? */
export class LayerCheck {
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
