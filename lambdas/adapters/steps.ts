import {
  ITEM_BYTES,
  KEY_BYTES,
  type Key,
  MAX_WRITES,
  TRANSACTION_BYTES,
  type Write,
} from "../ports/ledger-store.ts";

/** A write whose data is already JSON, so that later changes by the caller do not affect it. */
export type Step = Put | { kind: "delete" | "check"; key: Key; if?: number };
export type Put = { kind: "put"; key: Key; if?: number; data: string; expiresAt?: number };

/**
 * Checks writes and serialises their data.
 * @throws RangeError, TypeError for what no adapter can store
 */
export function toSteps(writes: Write[]): Step[] {
  if (writes.length > MAX_WRITES) {
    throw new RangeError(`a transaction has at most ${MAX_WRITES} writes`);
  }
  const steps = writes.map(toStep);
  const keys = new Set(steps.map(({ key }) => JSON.stringify([key.pk, key.sk])));
  const bytes = steps.reduce(
    (sum, step) => sum + (step.kind === "put" ? Buffer.byteLength(step.data) : 0),
    0,
  );
  if (bytes > TRANSACTION_BYTES) throw new RangeError(`a transaction has at most ${TRANSACTION_BYTES} bytes`);
  if (keys.size < steps.length) throw new RangeError("each write of a transaction goes to another key");
  return steps;
}

function toStep(write: Write): Step {
  if ("check" in write) return { kind: "check", key: checkedKey(write.check), if: write.if };
  if ("delete" in write) return { kind: "delete", key: checkedKey(write.delete), if: write.if };
  const { data, expiresAt } = write.put;
  const json = JSON.stringify(data) as string | undefined;
  if (json === undefined) throw new TypeError("an item's data must be JSON");
  if (Buffer.byteLength(json) > ITEM_BYTES)
    throw new RangeError(`an item's data is over ${ITEM_BYTES} bytes`);
  if (expiresAt !== undefined && !Number.isSafeInteger(expiresAt)) {
    throw new RangeError("expiresAt is a whole number of ms");
  }
  return { kind: "put", key: checkedKey(write.put), if: write.if, data: json, expiresAt };
}

function checkedKey({ pk, sk }: Key): Key {
  if (!canHold({ pk, sk })) throw new RangeError("a key is a well-formed string, not empty and not too long");
  return { pk, sk };
}

/** No adapter can store empty or long keys (DynamoDB) or lone surrogates (UTF-8). */
export function canHold({ pk, sk }: Key): boolean {
  const fits = (part: string, most: number) =>
    part !== "" && part.isWellFormed() && Buffer.byteLength(part) <= most;
  return fits(pk, KEY_BYTES.pk) && fits(sk, KEY_BYTES.sk);
}
