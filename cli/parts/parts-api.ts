import type { Body } from "../client.ts";
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

/** What comes, and how it is cut. */
export type Content = { partSize: number; files: Declared[] };

/** A ground's routes for one kind of uploads in parts. Every method throws CliFailure for any answer but 2xx. */
export type PartsApi = {
  /** Opens an upload, or finds the one that `key` opened. It waits while the queue is full. */
  open(content: Content, key: string, patience: Patience): Promise<UploadState>;
  /** Undefined when the ground has no such upload (any more). */
  find(id: string): Promise<UploadState | undefined>;
  sign(id: string, parts: PartName[]): Promise<UploadState>;
  cancel(id: string): Promise<void>;
  complete(id: string, prefer: Record<string, string>, patience: Patience): Promise<Answer>;
};

export function stateOf(body: Body): UploadState {
  const data = body.data as Partial<UploadState> | undefined;
  if (typeof data?.id === "string" && typeof data.state === "string") return data as UploadState;
  throw new CliFailure("BAD_ANSWER", "the ground's answer does not describe an upload");
}
