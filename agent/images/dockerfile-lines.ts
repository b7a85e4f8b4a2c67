/** A Dockerfile as its instructions, one line each: continuations joined, comments and directives gone. */
export type DockerfileText = { escapeChar: "\\" | "`"; instructions: Instruction[] };

/** `keyword` in capitals; `rest` trimmed, on one line. */
export type Instruction = { keyword: string; rest: string };

/** What is wrong with a Dockerfile, in words for its author. */
export class DockerfileError extends Error {
  override readonly name = "DockerfileError";
}

export const DOCKERFILE_BYTES = 1024 * 1024;
const INSTRUCTIONS = 10_000;
/** the engine reads no longer line */
const LINE_BYTES = 65_000;

const KEYWORDS = new Set(
  "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL STOPSIGNAL USER VOLUME WORKDIR".split(
    " ",
  ),
);

// Go's unicode.IsSpace: what the engine trims. JavaScript's \s differs from it.
const SPACE = "[\\t\\n\\v\\f\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const LEADING = new RegExp(`^${SPACE}+`, "u");
const IS_SPACE = new RegExp(`^${SPACE}$`, "u");
const HEREDOC = new RegExp(`(?:^|[;|&]|${SPACE})\\d*<<-?["']?[A-Za-z_]`, "u");
const DIRECTIVE = /^#[ \t]*([a-zA-Z][a-zA-Z0-9]*)[ \t]*=(.*)$/;

/**
 * Reads a Dockerfile as the engine's classic builder does. Whoever checks a Dockerfile and then hands the
 * engine the same text relies on two parsers agreeing to the letter; here the engine gets
 * {@link writeInstructions} of what was read, so that it cannot see an instruction that was not checked.
 * @throws DockerfileError
 */
export function readDockerfile(bytes: Uint8Array): DockerfileText {
  if (bytes.length > DOCKERFILE_BYTES) throw new DockerfileError("the Dockerfile is over 1 MiB");
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new DockerfileError("the Dockerfile is not UTF-8 text");
  }
  if (text.includes("\0")) throw new DockerfileError("the Dockerfile holds a NUL character");
  const lines = text.split("\n").map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line));
  const { escapeChar, used } = readDirectives(lines);
  const instructions: Instruction[] = [];
  for (let i = used; i < lines.length; i++) {
    const first = trimStart(lines[i]!);
    if (first === "" || first.startsWith("#")) continue;
    const parts: string[] = [];
    let part = first;
    for (;;) {
      const open = continued(part, escapeChar);
      parts.push(open ?? part);
      if (open === undefined) break;
      do i++;
      while (i < lines.length && /^(?:#|$)/.test(trim(lines[i]!)));
      if (i >= lines.length) break;
      part = lines[i]!;
    }
    const logical = trim(parts.join(""));
    if (logical !== "") instructions.push(readInstruction(logical));
    if (instructions.length > INSTRUCTIONS)
      throw new DockerfileError("the Dockerfile has over 10,000 instructions");
  }
  if (instructions.length === 0) throw new DockerfileError("the Dockerfile cannot be empty");
  return { escapeChar, instructions };
}

/** Reads one instruction, given on one line. @throws DockerfileError */
export function readInstruction(line: string): Instruction {
  const [, word, rest] = /^([^\t\v\f\r ]+)(?:[\t\v\f\r ]+([\s\S]*))?$/u.exec(trim(line)) ?? [];
  const keyword = (word ?? "").toUpperCase();
  if (!/^[A-Za-z]+$/.test(word ?? "") || !KEYWORDS.has(keyword)) {
    throw new DockerfileError(`unknown instruction: ${(word ?? "").slice(0, 80).toUpperCase()}`);
  }
  const trimmed = trim(rest ?? "");
  refuseHeredoc(keyword, trimmed);
  return { keyword, rest: trimmed };
}

/** The text of a Dockerfile that reads back as these instructions. @throws DockerfileError for what would not */
export function writeInstructions({ escapeChar, instructions }: DockerfileText): string {
  const lines = instructions.map(({ keyword, rest }) => {
    const line = rest === "" ? keyword : `${keyword} ${rest}`;
    if (line.includes("\n")) throw new DockerfileError(`${keyword}: more than one line`);
    if (continued(line, escapeChar) !== undefined) {
      throw new DockerfileError(`${keyword}: ends with the escape character`);
    }
    if (Buffer.byteLength(line) > LINE_BYTES) {
      throw new DockerfileError(`${keyword}: the instruction is over 65,000 bytes`);
    }
    return `${line}\n`;
  });
  return (escapeChar === "`" ? "# escape=`\n" : "") + lines.join("");
}

/** Trims what Go trims. */
export function trim(text: string): string {
  const start = trimStart(text);
  let end = start.length;
  while (end > 0 && IS_SPACE.test(start[end - 1]!)) end--;
  return start.slice(0, end);
}

function trimStart(text: string): string {
  return text.replace(LEADING, "");
}

/** Directives stand at the very top; `escape` is the one that matters, the rest (`syntax`) means BuildKit. */
function readDirectives(lines: string[]): { escapeChar: "\\" | "`"; used: number } {
  const seen = new Map<string, string>();
  let used = 0;
  for (; used < lines.length; used++) {
    const [, key, text] = DIRECTIVE.exec(trimStart(lines[used]!)) ?? [];
    const value = trim(text ?? "");
    if (key === undefined || value === "") break;
    if (seen.has(key.toLowerCase())) {
      throw new DockerfileError(`only one ${key.toLowerCase()} parser directive can be used`);
    }
    seen.set(key.toLowerCase(), value);
  }
  const escapeChar = seen.get("escape") ?? "\\";
  if (escapeChar !== "\\" && escapeChar !== "`") {
    throw new DockerfileError("invalid escape: must be ` or \\");
  }
  return { escapeChar, used };
}

/** The line without its continuation character, or undefined when the line ends there. */
function continued(line: string, escapeChar: string): string | undefined {
  let end = line.length;
  while (end > 0 && (line[end - 1] === " " || line[end - 1] === "\t")) end--;
  return end > 0 && line[end - 1] === escapeChar ? line.slice(0, end - 1) : undefined;
}

/** The classic builder knows none; a later one would take the instructions that follow for its text. */
function refuseHeredoc(keyword: string, rest: string): void {
  if (keyword !== "RUN" && keyword !== "COPY" && keyword !== "ADD") return;
  if (HEREDOC.test(rest)) {
    throw new DockerfileError(`${keyword}: heredocs require BuildKit, which is not available`);
  }
}
