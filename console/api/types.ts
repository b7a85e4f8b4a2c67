import type { State } from "#protocol/state.ts";

/** As much of the ground's answers as the console shows. */
export type Command = {
  command_id: string;
  operation: string;
  edge: string;
  lane: string;
  state: State;
  input: Record<string, unknown>;
  position?: number;
  /** who holds it, while it waits */
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
  /** its user ended it */
  stopped?: true;
  age: number;
};
export type Contact = { state: "ok" | "lost" | "never"; last: string | null; age: number | null };
export type Node = { name: string; kind: string; status: string };
export type Lane = {
  name: string;
  width: number | null;
  running: number;
  queued: number;
  held_since: string | null;
  since: string | null;
  waiting_since: string | null;
};
export type Reported<T> = { age: number; truncated: boolean; items: T[] };
export type Image = { name: string; tag: string; id: string; size: number; created: string };
export type Volume = { name: string; size: number; created: string };
export type ContactWindow = { start: string; end: string; station: string };
export type Edge = {
  edge: string;
  contact: Contact;
  windows: { present: ContactWindow | null; next: ContactWindow | null; windows: ContactWindow[] } | null;
  held: { since: string } | null;
  busy: { since: string; operation?: string; command_id?: string } | null;
  lanes: Lane[];
  agent: { version: string; features: string[] } | null;
  disk: { free: number } | null;
  quota: { bytes: number; on_edge: number | null };
  nodes: Node[];
  pods: Pod[];
  images: Reported<Image> | null;
  volumes: Reported<Volume> | null;
  fpga: { node: string; state: string; loaded?: { image: string; run: string } }[];
  runners: { environment: string; wanted: number; idle: number; used: number; reason: string | null }[];
};
/** What was made by another API than the EM's, as `GET /edge/holdings` tells it. */
export type Holding = {
  dialect: string;
  kind: "image" | "fpga-image" | "instance" | "job" | "runner" | "volume";
  name: string;
  created: string;
  bytes?: number;
  state?: string;
  phase?: "waits" | "runs" | "ready" | "ended" | "failed";
  image?: string;
  /** the pod or volume that it is on the edge */
  known?: string;
  command?: string;
};
export type GrantedEdge = { edge: string; default: boolean; contact: Contact };

export type LogRow = { cursor: number; time?: string; stream?: "stderr"; text: string };
export type LogPage = { rows: LogRow[]; next: number; dropped: boolean; complete: boolean };

/** An entry of a listing; sizes are decimal texts, as they may be beyond what a number holds. */
export type Entry = {
  type: "file" | "directory" | "symlink" | "other";
  name: string;
  size: string;
  time: string;
  contents?: Entry[];
};

/** What an operator sees of an edge. */
export type OperatorEdge = {
  edge: string;
  contact: Contact;
  held_since: string | null;
  agent: string | null;
  free_bytes: number | null;
  nodes: Node[];
  lanes: {
    name: string;
    width: number | null;
    running: number;
    queued: number;
    receiving: number;
    held_since: string | null;
  }[];
};
export type QueuedCommand = {
  lane: string;
  command_id: string;
  user: string;
  operation: string;
  state: State;
  since: string;
  held: boolean;
};
export type Deed = {
  n: number;
  at: string;
  who: string;
  by: "http" | "cli";
  verb: string;
  about: string[];
};
