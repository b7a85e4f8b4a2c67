import type { IncomingHttpHeaders, IncomingMessage } from "node:http";

/** A body that is written piece by piece; its length is known beforehand. */
export type StreamedBody = {
  /** bytes */
  length: number;
  /** Writes everything, in order, until `write` resolves to false: the server has answered already. */
  writeTo(write: (chunk: Buffer) => Promise<boolean>): Promise<void>;
};

export type Call = {
  method: "GET" | "POST" | "PUT" | "DELETE";
  /** absolute, with its query */
  path: string;
  headers?: Record<string, string>;
  body?: Buffer | StreamedBody;
  signal?: AbortSignal;
  /** nothing received for this long (ms) ends the call; none: never */
  idleMs?: number;
};

export type Answer = { status: number; headers: IncomingHttpHeaders; body: IncomingMessage };
