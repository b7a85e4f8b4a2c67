import { type Body, type Client, readJson } from "../client.ts";
import { CliFailure } from "../failure.ts";
import type { Answer } from "../http/call.ts";
import type { Patience } from "../patience.ts";
import type { Declared } from "./fingerprint.ts";

/** A part by its file's index in the request and its number, from 1. */
export type PartName = { file: number; part: number };
export type SignedPart = PartName & { url: string; headers: Record<string, string> };

/** An upload as the ground shows it. */
export type UploadState = {
  id: string;
  state: string;
  parts?: SignedPart[];
  /** seconds for which the URLs of `parts` are valid */
  parts_expire_in?: number;
  arrived?: PartName[];
  missing?: number;
  missing_files?: { file: number; parts: number[] }[];
  expires_at?: string;
};

export type OpenRequest = {
  dest_path?: string;
  pod_name?: string;
  pvc_name?: string;
  part_size: number;
  files: Declared[];
};

/** The ground's routes for uploads in parts. Every method throws CliFailure for any answer but 2xx. */
export class UploadApi {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  /** Waits while the queue is full. */
  async open(request: OpenRequest, key: string, patience: Patience): Promise<UploadState> {
    const headers = { "Idempotency-Key": key };
    const call = { method: "POST", path: "/uplinks", json: request, headers } as const;
    const answer = await this.#client.whenFree(call, patience);
    return stateOf(await readJson(answer));
  }

  /** Undefined when the ground has no such upload (any more). */
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
    return this.#client.whenFree({ method: "POST", path, headers: prefer }, patience);
  }
}

function stateOf(body: Body): UploadState {
  const data = body.data as Partial<UploadState> | undefined;
  if (typeof data?.id === "string" && typeof data.state === "string") return data as UploadState;
  throw new CliFailure("BAD_ANSWER", "the ground's answer does not describe an upload");
}
