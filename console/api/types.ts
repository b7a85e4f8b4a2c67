import type { State } from "#protocol/state.ts";

/** As much of the ground's answers as the console shows. */
export type Command = {
  command_id: string;
  operation: string;
  edge: string;
  state: State;
  input: Record<string, unknown>;
  position?: number;
  held?: "user" | "lane" | "edge";
  contact?: "ok" | "lost";
  progress?: { phase: string; done?: number; total?: number; unit?: string };
  waits_for?: { resource: string; command_id?: string };
  attempts: number;
  created_at: string;
  queued_at?: string;
  expires_at?: string;
  claimed_at?: string;
  granted_at?: string;
  ended_at?: string;
  cancel_requested_at?: string;
  result?: Record<string, unknown>;
  error?: { code: string; message: string; log_tail?: string[] };
  content?: string;
};

export type ContainerState = {
  waiting?: { reason: string; message?: string };
  running?: { startedAt: string };
  terminated?: {
    exitCode: number;
    reason: string;
    startedAt: string | null;
    finishedAt: string | null;
    message?: string;
  };
};

export type Pod = {
  pod_name: string;
  image: string;
  node: string;
  run: string;
  state: ContainerState;
  age: number;
};
export type Contact = { state: "ok" | "lost" | "never"; last: string | null; age: number | null };
export type Lane = {
  name: string;
  width: number | null;
  running: number;
  queued: number;
  since: string | null;
  waiting_since: string | null;
  held_since?: string | null;
};
export type Reported<T> = { age: number; truncated: boolean; items: T[] };
export type Image = { name: string; tag: string; id: string; size: number; created: string };
export type Volume = { name: string; size: number; created: string };
export type ContactWindow = { start: string; end: string; station: string };
export type Edge = {
  edge: string;
  contact: Contact;
  windows: { present: ContactWindow | null; next: ContactWindow | null; windows: ContactWindow[] } | null;
  busy: { since: string; operation?: string; command_id?: string } | null;
  lanes: Lane[];
  agent: { version: string; features: string[] } | null;
  nodes: { name: string; kind: string; status: string }[];
  pods: Pod[];
  images: Reported<Image> | null;
  volumes: Reported<Volume> | null;
};
export type GrantedEdge = { edge: string; default: boolean; contact: Contact };

export type LogRow = { cursor: number; time?: string; text: string };
export type LogPage = { rows: LogRow[]; next: number; dropped: boolean; complete: boolean };

/** An entry of a listing; sizes are decimal texts, as they may be beyond what a number holds. */
export type Entry = {
  type: "file" | "directory" | "symlink" | "other";
  name: string;
  size: string;
  time: string;
  contents?: Entry[];
};
