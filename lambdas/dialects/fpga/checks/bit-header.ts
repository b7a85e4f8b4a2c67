import { printable } from "./printable.ts";

export type BitHeader = { part?: string };

const BIT_HEADER = Buffer.from("00090ff00ff00ff00ff0000001", "hex");

/**
 * The header of a `.bit` file: fields a (design), b (part), c (date), d (time), each with a length of two bytes, and e.
 * @returns undefined when there is none; without `part` when its fields are cut or out of order
 */
export function bitHeader(head: Buffer): BitHeader | undefined {
  if (!head.subarray(0, BIT_HEADER.length).equals(BIT_HEADER)) return undefined;
  let at = BIT_HEADER.length;
  for (const field of ["a", "b"]) {
    if (head.toString("latin1", at, at + 1) !== field || at + 3 > head.length) return {};
    const length = head.readUInt16BE(at + 1);
    const value = head.subarray(at + 3, at + 3 + length);
    if (value.length < length) return {};
    if (field === "b") return { part: printable(value, 64) };
    at += 3 + length;
  }
  return {};
}
