import { createHash } from "node:crypto";

/**
 * A command in a lane's record: what lanes are decided by. All else is in the command. As text it takes at most
 * 106 bytes (a user has at most 32 characters, an operation of this version 13), because a lane's record is
 * written for every change and a database charges by its size.
 */
export type Entry = {
  id: string;
  user: string;
  operation: string;
  /** ms since 1970: accepted, queued or, once it runs from the queue, claimed */
  since: number;
  /** hash of the group that it belongs to among its user's ({@link groupKey}) */
  group?: string;
  /** absent: the usual one */
  priority?: number;
  /** its user holds it: it waits for no place */
  held?: true;
  /** an agent has it; absent from one that only waits, or holds a place until it is claimed */
  claim?: EntryClaim;
  /** a reservation's: bytes kept of its user's quota */
  bytes?: number;
  /** when it is given up (ms since 1970): an upload in parts, or what was not claimed by then */
  until?: number;
  /** of what still has to be ended: how */
  end?: EndReason;
};

/** `epoch` and `turn` of the claim that handed it out first; `by`: the epoch of the agent that has it now. */
export type EntryClaim = { epoch: number; turn: number; by: number };

/**
 * Why the ledger ends a command itself: its agent's journal is gone (`interrupted`), its agent does not know the
 * operation (`unsupported`), nobody claimed it in time (`expired`), the operator gave it up (`reset`).
 */
export type EndReason = "interrupted" | "unsupported" | "expired" | "reset";

const END_LETTERS: Record<EndReason, string> = {
  interrupted: "i",
  unsupported: "u",
  expired: "e",
  reset: "r",
};

/** What stands for a group in an entry: collisions only make two groups take turns as one. */
export function groupKey(group: string): string {
  return createHash("sha256").update(group).digest("base64url").slice(0, 6);
}

/** `<id> <user> <operation> <since>`, then fields that begin with a letter; numbers to the base 36. */
export function encodeEntry(entry: Entry): string {
  const { id, user, operation, since, group, priority, held, claim, bytes, until, end } = entry;
  const fields = [id, user, operation, text(since)];
  if (group !== undefined) fields.push(`g${group}`);
  if (priority !== undefined) fields.push(`p${text(priority)}`);
  if (held) fields.push("h");
  if (claim) {
    const by = claim.by === claim.epoch ? [] : [claim.by];
    fields.push(`c${[claim.epoch, claim.turn, ...by].map(text).join(".")}`);
  }
  if (bytes !== undefined) fields.push(`b${text(bytes)}`);
  if (until !== undefined) fields.push(`u${text(until - since)}`);
  if (end) fields.push(`x${END_LETTERS[end]}`);
  return fields.join(" ");
}

/** Reads what {@link encodeEntry} wrote; fields of a newer version are left out. */
export function decodeEntry(stored: string): Entry {
  const [id = "", user = "", operation = "", since = "", ...fields] = stored.split(" ");
  const entry: Entry = { id, user, operation, since: number(since) };
  for (const field of fields) {
    const value = field.slice(1);
    if (field[0] === "g") entry.group = value;
    else if (field[0] === "p") entry.priority = number(value);
    else if (field[0] === "h") entry.held = true;
    else if (field[0] === "c") entry.claim = claimOf(value);
    else if (field[0] === "b") entry.bytes = number(value);
    else if (field[0] === "u") entry.until = entry.since + number(value);
    else if (field[0] === "x") entry.end = endOf(value);
  }
  return entry;
}

function claimOf(value: string): EntryClaim {
  const [epoch = 0, turn = 0, by = epoch] = value.split(".").map(number);
  return { epoch, turn, by };
}

function endOf(letter: string): EndReason {
  const found = (Object.keys(END_LETTERS) as EndReason[]).find((reason) => END_LETTERS[reason] === letter);
  return found ?? "interrupted";
}

function text(value: number): string {
  return value.toString(36);
}

function number(value: string): number {
  return Number.parseInt(value, 36);
}
