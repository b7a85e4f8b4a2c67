import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import { invalid } from "./form-values.ts";

/**
 * A path that a user wrote, as a path inside the volume: relative, without `.`, `..` and empty parts; "" is
 * the root. It is lexical: links are the edge's business.
 * @param options.slashIsRoot a leading `/` means the volume's root instead of a path out of it
 * @throws ILLEGAL_PATH for an absolute path and for one that leads out; INVALID_PARAMETERS for NUL, a part
 * over 255 bytes, a path over 4096 bytes or broken Unicode
 */
export function pathInVolume(field: string, text: string, options: { slashIsRoot?: boolean } = {}): string {
  if (text.includes("\0")) throw invalid(field, "must not hold NUL");
  if (!text.isWellFormed()) throw invalid(field, "must be valid Unicode");
  if (Buffer.byteLength(text) > LIMITS.pathBytes) {
    throw invalid(field, `must be at most ${LIMITS.pathBytes} bytes`);
  }
  if (text.startsWith("/") && !options.slashIsRoot) throw illegal(field);
  const parts: string[] = [];
  for (const part of text.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") {
      if (parts.pop() === undefined) throw illegal(field);
      continue;
    }
    if (Buffer.byteLength(part) > LIMITS.pathNameBytes) {
      throw invalid(field, `a name in a path must be at most ${LIMITS.pathNameBytes} bytes`);
    }
    parts.push(part);
  }
  return parts.join("/");
}

function illegal(field: string): PerigeeError {
  return new PerigeeError("ILLEGAL_PATH", `${field}: the path leads out of the volume`);
}
