import { LIMITS } from "#protocol/limits.ts";
import { parameterError } from "./refusals.ts";

/**
 * Where a file of that name goes in an inbox or a build context: its name, which may be a relative path.
 * @throws INVALID_PARAMETERS
 */
export function attachmentPath(name: string): string {
  const rule = brokenRule(name);
  if (rule === undefined) return name;
  throw parameterError("attachments", `${JSON.stringify(name.slice(0, 200))} ${rule}`);
}

/** No file may be where another one has a directory. @throws INVALID_PARAMETERS */
export function requireTree(paths: readonly string[]): void {
  const files = new Set(paths);
  for (const path of paths) {
    for (let end = path.indexOf("/"); end >= 0; end = path.indexOf("/", end + 1)) {
      const directory = path.slice(0, end);
      if (!files.has(directory)) continue;
      const name = JSON.stringify(directory.slice(0, 200));
      throw parameterError("attachments", `${name} cannot be both a file and a directory`);
    }
  }
}

function brokenRule(name: string): string | undefined {
  if (name.startsWith("/")) return "must be a relative path";
  if (name.includes("\0")) return "must not hold NUL";
  if (Buffer.byteLength(name) > LIMITS.pathBytes) return `must be at most ${LIMITS.pathBytes} bytes`;
  for (const part of name.split("/")) {
    if (part === "" || part === "." || part === "..") return "must not have empty parts, . or ..";
    if (Buffer.byteLength(part) > LIMITS.pathNameBytes) {
      return `must have parts of at most ${LIMITS.pathNameBytes} bytes`;
    }
  }
  return undefined;
}
