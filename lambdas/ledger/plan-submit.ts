import { PerigeeError } from "#protocol/errors.ts";
import { KiB, LIMITS } from "#protocol/limits.ts";
import { PRIORITY } from "#protocol/priority.ts";
import type { Item, Write } from "../ports/ledger-store.ts";
import type { Command } from "./command.ts";
import type { Draft, Entrance, Idempotency } from "./draft.ts";
import { type EdgeAgent, requireOperation } from "./edge-agent.ts";
import type { Entry } from "./entry.ts";
import { FIRST_LANE } from "./first-lane.ts";
import { keys } from "./keys.ts";
import * as lanes from "./lane.ts";
import type { LaneOptions } from "./lane-options.ts";
import { unreachable } from "./refusals.ts";

/** What an Idempotency-Key stands for; `submission`: many commands at once. */
export type IdempotencyRecord = { digest: string; at: number; command?: string; submission?: string };

/** What a submit is decided by. */
export type SubmitSeen = {
  lane: lanes.Lane;
  options: LaneOptions;
  /** ms since 1970, the ground's */
  now: number;
  inContact: boolean;
  agent: EdgeAgent | undefined;
  /** reservations in the other lanes of the edge */
  reserved: readonly Entry[];
  /** of its Idempotency-Key */
  idempotency: Item<IdempotencyRecord> | undefined;
};

/** Bytes of a command's input as JSON up to which its lane's record holds the command until it is claimed. */
const FRESH_BYTES = 1.5 * KiB;

/**
 * A new command under `id` and its lane with it on it, or the refusal thrown.
 * @throws LaneBusy, EM_UNREACHABLE, QUEUE_FULL, UNSUPPORTED_OPERATION, and what `reserveBytes` throws
 */
export function planSubmit(
  draft: Draft,
  entrance: Entrance,
  id: string,
  seen: SubmitSeen,
): { command: Command; lane: lanes.Lane } {
  const { lane, options, now, inContact, agent } = seen;
  const { admission, staging } = entrance;
  if (!staging?.unasked) requireOperation(draft.edge, agent, draft);
  const command = commandOf(draft, entrance, id, now);
  const entry = lanes.entryOf(command, now);
  if (staging ? staging.free : admission === "place") {
    if (!inContact) throw unreachable();
    lanes.requireFree(lane, options);
  }
  if (staging) {
    lanes.requireRoom(lane, draft.user, options.bounds);
    const bytes = staging.reserveBytes([...lane.reserved, ...seen.reserved]);
    // its own time begins when it has arrived
    const { until: _, ...held } = entry;
    const reservation = { ...held, bytes, ...(command.until !== undefined && { until: command.until }) };
    return { command, lane: lanes.reserve(lane, reservation) };
  }
  if (admission === "place") {
    const fresh = inputBytes(draft) <= FRESH_BYTES ? command : undefined;
    return { command, lane: lanes.takePlace(lane, entry, fresh) };
  }
  lanes.requireRoom(lane, draft.user, options.bounds);
  return { command, lane: lanes.enqueue(lane, entry) };
}

/** The command of a draft, as it is when it is accepted. */
export function commandOf(draft: Draft, { admission, staging }: Entrance, id: string, now: number): Command {
  const { user, edge, lane = FIRST_LANE, operation, input, group, staged, expiresAt, priority } = draft;
  const command: Command = {
    id,
    user,
    edge,
    lane,
    operation,
    input,
    state: staging ? "staging" : "queued",
    admission,
    ...(group !== undefined && { group }),
    ...(staged !== undefined && { staged }),
    ...(priority !== undefined && priority !== PRIORITY.usual && { priority }),
    ...(expiresAt !== undefined && { expiresAt }),
    attempts: 0,
    createdAt: now,
    ...(!staging && { queuedAt: now }),
  };
  const parts = staging?.parts;
  return parts ? { ...command, staged: parts.prefix(command), until: parts.until } : command;
}

/** @throws BODY_TOO_LARGE */
export function requireInputFits(draft: Draft): void {
  if (inputBytes(draft) <= LIMITS.inputBytes) return;
  throw new PerigeeError(
    "BODY_TOO_LARGE",
    `The parameters are over ${LIMITS.inputBytes / KiB} KiB: put large ones into a file`,
  );
}

/** What an earlier request of the same key made; undefined when the key is free. @throws IDEMPOTENCY_KEY_REUSED */
export function earlierOf(
  { digest }: Idempotency,
  found: Item<IdempotencyRecord> | undefined,
  now: number,
): IdempotencyRecord | undefined {
  if (!found || now - found.data.at >= LIMITS.idempotencyMs) return undefined;
  if (found.data.digest === digest) return found.data;
  throw new PerigeeError(
    "IDEMPOTENCY_KEY_REUSED",
    "Idempotency-Key was used for another request in the last 24 hours",
  );
}

/** The write that remembers what a key stands for. */
export function idempotencyWrite(
  user: string,
  { key, route, digest }: Idempotency,
  stands: { command: string } | { submission: string },
  { now, idempotency }: Pick<SubmitSeen, "now" | "idempotency">,
): Write {
  const data: IdempotencyRecord = { digest, at: now, ...stands };
  const put = { ...keys.idempotency(user, route, key), expiresAt: now + LIMITS.idempotencyMs, data };
  return { put, if: idempotency?.rev ?? 0 };
}

function inputBytes({ input }: Draft): number {
  return Buffer.byteLength(JSON.stringify(input));
}
