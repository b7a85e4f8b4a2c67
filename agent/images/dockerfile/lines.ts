import { LIMITS, MiB } from "#protocol/limits.ts";
import { trim, trimStart } from "./blanks.ts";
import { type EscapeChar, readDirectives } from "./directives.ts";
import { DockerfileError } from "./error.ts";

/** An instruction's text: continuations joined, comments gone. `number` is its first line's, from 1. */
export type LogicalLine = { number: number; text: string };

export type DockerfileLines = { escapeChar: EscapeChar; lines: LogicalLine[] };

/** Reads the lines of a Dockerfile as the classic builder of engine 20.10 does. @throws DockerfileError */
export function readLines(bytes: Uint8Array): DockerfileLines {
  const physical = physicalLines(bytes);
  const escapeChar = readDirectives(physical);
  const lines: LogicalLine[] = [];
  for (let i = 0; i < physical.length; i++) {
    const number = i + 1;
    const first = trimStart(physical[i]!);
    if (first === "" || first.startsWith("#")) continue;
    const parts: string[] = [];
    let part = first;
    for (;;) {
      const open = continued(part, escapeChar);
      parts.push(open ?? part);
      if (open === undefined) break;
      do i++;
      while (i < physical.length && /^(?:#|$)/.test(trim(physical[i]!)));
      if (i >= physical.length) break;
      part = physical[i]!;
    }
    lines.push({ number, text: parts.join("") });
    if (lines.length > LIMITS.dockerfileInstructions) {
      throw new DockerfileError(
        `the Dockerfile has over ${LIMITS.dockerfileInstructions.toLocaleString("en")} instructions`,
      );
    }
  }
  if (lines.length === 0) throw new DockerfileError("the Dockerfile cannot be empty");
  return { escapeChar, lines };
}

/** The line without its continuation character, or undefined when the line ends there: an escaped one ends it. */
function continued(line: string, escapeChar: EscapeChar): string | undefined {
  const end = endOfText(line);
  if (end === 0 || line[end - 1] !== escapeChar || line[end - 2] === escapeChar) return undefined;
  return line.slice(0, end - 1);
}

/** Could an engine, an older one perhaps, take the next line for a part of this one? */
export function mayContinue(line: string, escapeChar: EscapeChar): boolean {
  return line[endOfText(line) - 1] === escapeChar;
}

function endOfText(line: string): number {
  let end = line.length;
  while (end > 0 && (line[end - 1] === " " || line[end - 1] === "\t")) end--;
  return end;
}

function physicalLines(bytes: Uint8Array): string[] {
  if (bytes.length > LIMITS.dockerfileBytes)
    throw new DockerfileError(`the Dockerfile is over ${LIMITS.dockerfileBytes / MiB} MiB`);
  let text: string;
  try {
    // a byte order mark goes
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new DockerfileError("the Dockerfile is not UTF-8 text");
  }
  if (text.includes("\0")) throw new DockerfileError("the Dockerfile holds a NUL character");
  const lines = text.split("\n");
  // what ends with a line end has no line after it
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line, i) => {
    if (Buffer.byteLength(line) > LIMITS.dockerfileLineBytes) {
      throw new DockerfileError(
        `Dockerfile line ${i + 1}: the line is over ${LIMITS.dockerfileLineBytes} bytes`,
      );
    }
    return line.endsWith("\r") ? line.slice(0, -1) : line;
  });
}
