import { type Client, readJson } from "../client.ts";
import { CliFailure } from "../failure.ts";
import type { Answer } from "../http/call.ts";
import { type Content, type PartName, type PartsApi, stateOf, type UploadState } from "../parts/parts-api.ts";
import type { Patience } from "../patience.ts";

const PATH = "/fpga/objects";

/** The ground's routes for objects in parts. */
export class ObjectApi implements PartsApi {
  readonly #client: Client;
  readonly #object: { bucket: string; key: string };

  constructor(client: Client, object: { bucket: string; key: string }) {
    this.#client = client;
    this.#object = object;
  }

  async open({ partSize, files }: Content, key: string, patience: Patience): Promise<UploadState> {
    const [{ size, crc32 } = { size: 0, crc32: [] }] = files;
    const parts = crc32.map((sum, i) => ({ size: Math.min(partSize, size - i * partSize), crc32: sum }));
    const json = { ...this.#object, size, parts };
    const headers = { "Idempotency-Key": key };
    return stateOf(
      await readJson(await this.#client.whenFree({ method: "POST", path: PATH, json, headers }, patience)),
    );
  }

  async find(id: string): Promise<UploadState | undefined> {
    try {
      return stateOf(await this.#client.json({ method: "POST", path: `${PATH}/${id}/parts`, json: {} }));
    } catch (error) {
      if (error instanceof CliFailure && error.code === "UPLINK_NOT_FOUND") return undefined;
      throw error;
    }
  }

  async sign(id: string, parts: PartName[]): Promise<UploadState> {
    const json = { parts: parts.map(({ part }) => ({ part })) };
    return stateOf(
      await this.#client.json({ method: "POST", path: `${PATH}/${id}/parts`, json, idleMs: 60_000 }),
    );
  }

  async cancel(id: string): Promise<void> {
    await this.#client.json({ method: "DELETE", path: `${PATH}/${id}` });
  }

  complete(id: string, _prefer: Record<string, string>, patience: Patience): Promise<Answer> {
    return this.#client.whenFree({ method: "POST", path: `${PATH}/${id}/complete`, json: {} }, patience);
  }
}
