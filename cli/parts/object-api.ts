import { type Client, readJson } from "../client.ts";
import { CliFailure } from "../failure.ts";
import type { Answer } from "../http/call.ts";
import type { Patience } from "../patience.ts";
import { type Content, type PartName, type PartsApi, stateOf, type UploadState } from "./parts-api.ts";

const at = (id: string, verb = "") => `/fpga/objects/${encodeURIComponent(id)}${verb}`;

/** The ground's routes for objects in parts. */
export class ObjectApi implements PartsApi {
  readonly #client: Client;
  readonly #target: { bucket: string; key: string };

  constructor(client: Client, target: { bucket: string; key: string }) {
    this.#client = client;
    this.#target = target;
  }

  async open({ partSize, files }: Content, key: string, patience: Patience): Promise<UploadState> {
    const [{ size, crc32 } = { size: 0, crc32: [] }] = files;
    const parts = crc32.map((crc, i) => ({ size: Math.min(partSize, size - i * partSize), crc32: crc }));
    const json = { ...this.#target, size, parts };
    const headers = { "Idempotency-Key": key };
    const call = { method: "POST", path: "/fpga/objects", json, headers, idleMs: 60_000 } as const;
    return stateOf(await readJson(await this.#client.whenFree(call, patience)));
  }

  async find(id: string): Promise<UploadState | undefined> {
    try {
      return stateOf(await this.#client.json({ method: "POST", path: at(id, "/parts") }));
    } catch (error) {
      if (error instanceof CliFailure && error.code === "UPLINK_NOT_FOUND") return undefined;
      throw error;
    }
  }

  async sign(id: string, parts: PartName[]): Promise<UploadState> {
    const names = parts.map(({ part }) => ({ part }));
    const call = { method: "POST", path: at(id, "/parts"), json: { parts: names }, idleMs: 60_000 } as const;
    return stateOf(await this.#client.json(call));
  }

  async cancel(id: string): Promise<void> {
    await this.#client.json({ method: "DELETE", path: at(id) });
  }

  complete(id: string, _prefer: Record<string, string>, patience: Patience): Promise<Answer> {
    return this.#client.whenFree({ method: "POST", path: at(id, "/complete") }, patience);
  }
}
