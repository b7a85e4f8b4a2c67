import { type Client, readJson } from "../client.ts";
import { CliFailure } from "../failure.ts";
import type { Answer } from "../http/call.ts";
import type { Patience } from "../patience.ts";
import { type Content, type PartName, type PartsApi, stateOf, type UploadState } from "./parts-api.ts";

/** A ground that is silent for so long (ms) while it puts an upload's parts together is not there any more. */
const PUT_TOGETHER_MS = 10 * 60_000;

/** The ground's routes for uplinks in parts. */
export class UplinkApi implements PartsApi {
  readonly #client: Client;
  readonly #target: object;

  /** @param target fields of the request that say where the files go */
  constructor(client: Client, target: object) {
    this.#client = client;
    this.#target = target;
  }

  async open({ partSize, files }: Content, key: string, patience: Patience): Promise<UploadState> {
    const headers = { "Idempotency-Key": key };
    const json = { ...this.#target, part_size: partSize, files };
    const call = { method: "POST", path: "/uplinks", json, headers, idleMs: 60_000 } as const;
    const answer = await this.#client.whenFree(call, patience);
    return stateOf(await readJson(answer));
  }

  async find(id: string): Promise<UploadState | undefined> {
    try {
      return stateOf(await this.#client.json({ method: "GET", path: `/uplinks/${encodeURIComponent(id)}` }));
    } catch (error) {
      if (error instanceof CliFailure && error.code === "UPLINK_NOT_FOUND") return undefined;
      throw error;
    }
  }

  async sign(id: string, parts: PartName[]): Promise<UploadState> {
    const path = `/uplinks/${encodeURIComponent(id)}/parts`;
    const names = parts.map(({ file, part }) => ({ file, part }));
    return stateOf(await this.#client.json({ method: "POST", path, json: { parts: names }, idleMs: 60_000 }));
  }

  async cancel(id: string): Promise<void> {
    await this.#client.json({ method: "POST", path: `/commands/${encodeURIComponent(id)}/cancel` });
  }

  /** The answer of an uplink: 200, or 202 for a command that is under way. */
  async complete(id: string, prefer: Record<string, string>, patience: Patience): Promise<Answer> {
    const path = `/uplinks/${encodeURIComponent(id)}/complete`;
    // Without patience the answer is that of the edge, however long it takes.
    const idle = patience.limitMs ? { idleMs: PUT_TOGETHER_MS } : {};
    return this.#client.whenFree({ method: "POST", path, headers: prefer, ...idle }, patience);
  }
}
