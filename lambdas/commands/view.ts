import { PRIORITY } from "#protocol/priority.ts";
import type { Command } from "../ledger/command.ts";
import type { WindowView } from "../windows/window-view.ts";

/** What only the ledger knows beside the command itself. */
export type Standing = {
  /** commands ahead of a queued one; absent while its user holds it */
  ahead?: number;
  /** what of its edge the operator holds, of one that waits */
  held?: "lane" | "edge";
  /** of one with a transfer: when that is expected to end */
  transfer?: TransferView;
  /** of a running one: does its edge still answer? */
  contact?: "ok" | "lost";
};

/** `ends_at` in `window`; both null where the edge's plan does not tell. */
export type TransferView = {
  direction: "uplink" | "downlink";
  bytes_left: number;
  ends_at: string | null;
  window: WindowView | null;
};

/** A command as its user sees it: `GET /commands/{id}`. Times are ISO 8601, UTC. */
export function commandView(command: Command, standing: Standing = {}) {
  const { failure } = command;
  return {
    command_id: command.id,
    operation: command.operation,
    edge: command.edge,
    lane: command.lane,
    state: command.state,
    input: command.input,
    priority: command.priority ?? PRIORITY.usual,
    ...(standing.ahead !== undefined && { position: standing.ahead + 1 }),
    ...heldBy(command, standing),
    ...(standing.contact && { contact: standing.contact }),
    ...(command.progress && { progress: command.progress }),
    ...(standing.transfer && { transfer: standing.transfer }),
    ...waitsFor(command),
    attempts: command.attempts,
    created_at: iso(command.createdAt),
    ...optionalTimes(command),
    ...(command.result !== undefined && { result: command.result }),
    ...(failure && { error: { code: failure.code, message: failure.message, ...failure.data } }),
    ...(hasContent(command) && { content: `/commands/${command.id}/content` }),
  };
}

/** Did the command leave an object in staging for its user? */
export function hasContent(command: Command): boolean {
  const result = command.result as { content?: unknown } | undefined;
  return (
    command.state === "succeeded" && (result?.content !== undefined || command.stagedResult !== undefined)
  );
}

/** What a running command waits for on the edge: which command is before it, if it is the user's own. */
function waitsFor({ state, waitsFor }: Command) {
  if (state !== "running" || !waitsFor) return {};
  const { resource, behind } = waitsFor;
  return { waits_for: { resource, ...(behind && { command_id: behind }) } };
}

/** Who holds one that waits. */
function heldBy({ state, heldAt }: Command, { held }: Standing) {
  if (state !== "queued" && state !== "staging") return {};
  if (heldAt !== undefined) return { held: "user", held_at: iso(heldAt) };
  return held ? { held } : {};
}

function optionalTimes(command: Command): Record<string, string> {
  const times: [string, number | undefined][] = [
    ["queued_at", command.queuedAt],
    ["expires_at", command.expiresAt],
    ["claimed_at", command.claimedAt],
    ["granted_at", command.grantedAt],
    ["ended_at", command.endedAt],
    ["cancel_requested_at", command.cancelRequestedAt],
  ];
  return Object.fromEntries(times.flatMap(([name, at]) => (at === undefined ? [] : [[name, iso(at)]])));
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
