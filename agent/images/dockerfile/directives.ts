import { trimStart } from "./blanks.ts";
import { DockerfileError, shown } from "./error.ts";

export type EscapeChar = "\\" | "`";

// Go's \s is ASCII without \v
const DIRECTIVE = /^#[\t\n\f\r ]*([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=([^\n]+)$/;
const KNOWN = ["syntax", "escape"];

/**
 * The escape character that the first lines of a Dockerfile choose. The first line that is no directive of
 * the engine's ends them, a comment that only looks like one too. `syntax` means a BuildKit frontend, which
 * is not fetched.
 * @throws DockerfileError
 */
export function readDirectives(lines: readonly string[]): EscapeChar {
  const seen = new Map<string, string>();
  for (const line of lines) {
    const [, name, value] = DIRECTIVE.exec(trimStart(line)) ?? [];
    const key = name?.toLowerCase();
    if (key === undefined || !KNOWN.includes(key)) break;
    if (seen.has(key)) throw new DockerfileError(`only one ${key} parser directive can be used`);
    // blanks alone are a value, too
    seen.set(key, value!.replace(/^[\t\n\f\r ]+/, "").trimEnd() || " ");
  }
  const escapeChar = seen.get("escape") ?? "\\";
  if (escapeChar === "\\" || escapeChar === "`") return escapeChar;
  throw new DockerfileError(`invalid escape token ${shown(escapeChar)}: must be \` or \\`);
}
