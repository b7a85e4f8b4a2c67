import { buffer } from "node:stream/consumers";
import type { Failure } from "#protocol/errors.ts";
import { KiB, LIMITS } from "#protocol/limits.ts";
import type { Command } from "../ledger/command.ts";
import type { Staging } from "../ports/staging.ts";
import { resultKey } from "./staging-keys.ts";

/** Most bytes, as JSON, that a command's record keeps of its end: a listing may double when it is escaped. */
const KEPT_BYTES = 2 * LIMITS.inlineResultBytes;
const MESSAGE_CHARACTERS = 4 * KiB;

/**
 * Puts a result into staging when a command's record has no room for it.
 * @returns its bytes as JSON, or undefined when it may stay where it is
 */
export async function stageLargeResult(
  staging: Staging,
  command: Command,
  result: unknown,
): Promise<number | undefined> {
  const json = Buffer.from(JSON.stringify(result));
  if (json.length <= KEPT_BYTES) return undefined;
  await staging.put(resultKey(command), json, { maxBytes: json.length });
  return json.length;
}

/** The result that {@link stageLargeResult} put away. @throws FILE_NOT_FOUND when it is gone (after a day) */
export async function loadStagedResult(staging: Staging, command: Command): Promise<unknown> {
  const { body } = await staging.get(resultKey(command));
  return JSON.parse((await buffer(body)).toString());
}

/** A failure that a command's record has room for: of a `log_tail` the oldest lines go, other data goes whole. */
export function boundedFailure(failure: Failure): Failure {
  const message = failure.message.slice(0, MESSAGE_CHARACTERS);
  const { data } = failure;
  if (data === undefined) return { code: failure.code, message };
  let room = KEPT_BYTES - Buffer.byteLength(JSON.stringify({ ...data, log_tail: [] }));
  const lines: unknown[] = Array.isArray(data.log_tail) ? data.log_tail : [];
  const kept = lines.toReversed().filter((line) => {
    room -= Buffer.byteLength(JSON.stringify(line)) + 1;
    return room >= 0;
  });
  if (room < 0 && kept.length === 0) return { code: failure.code, message };
  return {
    code: failure.code,
    message,
    data: { ...data, ...(data.log_tail !== undefined && { log_tail: kept.reverse() }) },
  };
}
