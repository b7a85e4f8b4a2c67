import { isTerminal, STATES, type State } from "#protocol/state.ts";
import { CliFailure, exitOf } from "./failure.ts";

/** A command as `GET /commands/{id}` shows it. */
export type CommandView = {
  command_id: string;
  operation: string;
  edge?: string;
  state: string;
  /** position in the queue, 1 = next to run; only while queued */
  position?: number;
  priority?: number;
  /** who holds it while it waits: its user, or the operator its lane or edge */
  held?: "user" | "lane" | "edge";
  contact?: "ok" | "lost";
  progress?: { phase: string; done?: number; total?: number; unit?: "bytes" | "files" | "steps" };
  /** of a transfer: what is left, and when it is expected to end */
  transfer?: { bytes_left: number; ends_at?: string | null; window?: unknown };
  attempts?: number;
  created_at?: string;
  queued_at?: string;
  claimed_at?: string;
  ended_at?: string;
  cancel_requested_at?: string;
  input?: unknown;
  result?: Record<string, unknown>;
  error?: { code?: string; message?: string; [field: string]: unknown };
  /** path of the bytes of a downlink or listing */
  content?: string;
};

export function hasEnded(command: CommandView): boolean {
  return (STATES as readonly string[]).includes(command.state) && isTerminal(command.state as State);
}

/** The failure of a command that did not succeed. */
export function failureOf(command: CommandView): CliFailure {
  const { code, message, ...fields } = command.error ?? {};
  const fallback = { cancelled: "CANCELLED", expired: "EXPIRED" }[command.state] ?? "INTERNAL_ERROR";
  return new CliFailure(code ?? fallback, message ?? ENDS[fallback] ?? "the command failed", {
    exit: exitOf(code ?? fallback),
    fields: { ...fields, command_id: command.command_id },
  });
}

const ENDS: Record<string, string> = {
  CANCELLED: "the command was cancelled",
  EXPIRED: "the edge did not take the command in time",
};

const WORDS: Record<string, string> = {
  "volume.uplink": "an uplink",
  "volume.patch": "an uplink of what changed",
  "volume.chunks": "a list of chunks",
  "volume.list": "a file listing",
  "volume.read": "a downlink",
  "file.delete": "a delete",
  "volume.delete": "a delete",
  "volumes.list": "a volume listing",
  "volume.remove": "a volume delete",
  "volumes.delete": "a volume delete",
  "volume.create": "a new volume",
  "image.compile": "a compile",
  "image.export": "a push",
  "image.import": "a pull",
  "image.build": "an image build",
  "image.load": "an image load",
  "image.list": "an image listing",
  "image.delete": "an image delete",
  "pod.run": "a pod run",
  "pod.start": "a pod start",
  "pod.remove": "a pod removal",
  "pod.status": "a pod status",
  "pod.stop": "a pod stop",
  "nodes.status": "a node status",
};

/** "volume.uplink" → "an uplink". */
export function operationWords(operation: unknown): string {
  return WORDS[String(operation)] ?? String(operation);
}
