import { DockerfileError } from "./dockerfile-lines.ts";

/** `flags` maps `--name=value` (a bare `--name` to ""); `rest` is what follows, never beginning with `--`. */
export type Flagged = { flags: Map<string, string>; rest: string };

/**
 * Takes the flags off an instruction's text. Only plain ones: what is quoted or escaped could be read as a
 * flag by the engine and as something else here.
 * @throws DockerfileError for a flag that is not in `known`, or not plain
 */
export function takeFlags(keyword: string, text: string, known: readonly string[]): Flagged {
  const flags = new Map<string, string>();
  let rest = text;
  while (rest.startsWith("--")) {
    const [whole, word] = /^([^\t\v\f\r ]*)[\t\v\f\r ]*/.exec(rest)!;
    const [, name, value] = /^--([a-z][a-z-]*)(?:=([\x21\x23-\x26\x28-\x5b\x5d-\x7e]*))?$/.exec(word!) ?? [];
    if (name === undefined)
      throw new DockerfileError(`${keyword}: cannot read the flag ${word!.slice(0, 80)}`);
    if (BUILDKIT_ONLY.has(name) || (keyword === "RUN" && !known.includes(name))) {
      throw new DockerfileError(
        `the --${name} option of ${keyword} requires BuildKit, which is not available`,
      );
    }
    if (!known.includes(name)) throw new DockerfileError(`${keyword}: unknown flag: ${name}`);
    if (flags.has(name)) throw new DockerfileError(`${keyword}: duplicate flag specified: ${name}`);
    flags.set(name, value ?? "");
    rest = rest.slice(whole!.length);
  }
  return { flags, rest };
}

/** The text of flags and the rest after them. */
export function withFlags({ flags, rest }: Flagged): string {
  return [...[...flags].map(([name, value]) => `--${name}=${value}`), ...(rest === "" ? [] : [rest])].join(
    " ",
  );
}

const BUILDKIT_ONLY = new Set([
  "mount",
  "network",
  "security",
  "link",
  "parents",
  "exclude",
  "checksum",
  "keep-git-dir",
]);
