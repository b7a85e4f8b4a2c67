import { parseJson } from "../../../http/json-text.ts";
import { membersOf } from "../json-members.ts";
import { type Finding, finding } from "./finding.ts";
import { sameLiteral } from "./same-literal.ts";

/**
 * Compares the metadata in an AEI container with that of its registration: keys that both have must have equal values.
 * @param registered JSON text of an object
 */
export function checkAeiMetadata(inFile: string, registered: string): Finding | undefined {
  let own: ReadonlyMap<string, string>;
  try {
    own = membersOf(inFile) ?? new Map();
  } catch {
    return finding("FORMAT_INVALID", "the metadata of the AEI is not JSON");
  }
  for (const [key, text] of membersOf(registered) ?? []) {
    const other = own.get(key);
    if (other === undefined || isEqual(text, other)) continue;
    return finding(
      "METADATA_MISMATCH",
      `${JSON.stringify(key).replace(/[^\x20-\x7e]/g, "?")} has another value in the AEI than in the registration`,
    );
  }
  return undefined;
}

function isEqual(one: string, other: string): boolean {
  if (one === other) return true;
  try {
    return sameLiteral(parseJson(one), parseJson(other));
  } catch {
    // nested too deep, or with a key twice: only the same text is equal then
    return false;
  }
}
