import { ASCII_BLANKS, splitOnce, trim } from "./blanks.ts";
import type { EscapeChar } from "./directives.ts";
import { DockerfileError, located, shown } from "./error.ts";
import { isByteBlank, takeFlags, utf8 } from "./flags.ts";
import { readJsonList } from "./json.ts";
import { splitPairs, splitWords } from "./words.ts";

const KEYWORDS = [
  "ADD",
  "ARG",
  "CMD",
  "COPY",
  "ENTRYPOINT",
  "ENV",
  "EXPOSE",
  "FROM",
  "HEALTHCHECK",
  "LABEL",
  "MAINTAINER",
  "ONBUILD",
  "RUN",
  "SHELL",
  "STOPSIGNAL",
  "USER",
  "VOLUME",
  "WORKDIR",
] as const;

export type Keyword = (typeof KEYWORDS)[number];

/**
 * An instruction as the engine's parser sees it, nothing expanded. `args` are the words of a list, the keys
 * and values of pairs in turn, or one text; `json` tells the JSON form.
 */
export type Instruction = {
  /** in capitals */
  keyword: Keyword;
  /** as they stand, `--` before them */
  flags: string[];
  args: string[];
  json: boolean;
  /** what follows ONBUILD */
  trigger?: Instruction;
  /** the instruction as it was written, on one line */
  source: string;
};

type Parsed = Pick<Instruction, "args"> & Partial<Pick<Instruction, "json" | "trigger">>;
type Reader = (rest: string, escapeChar: EscapeChar) => Parsed;

const list: Reader = (rest) => {
  const json = readJsonList(rest);
  return json ? { args: json, json: true } : words(rest, "\\");
};
const words: Reader = (rest) => ({ args: rest === "" ? [] : rest.split(ASCII_BLANKS) });
const text: Reader = (rest) => ({ args: rest === "" ? [] : [rest] });
const command: Reader = (rest) => {
  const json = readJsonList(rest);
  return json ? { args: json, json: true } : text(rest, "\\");
};
const pairs: Reader = (rest, escapeChar) => ({ args: splitPairs(rest, escapeChar) });

const READERS: Record<Keyword, Reader> = {
  ADD: list,
  ARG: (rest, escapeChar) => ({ args: splitWords(rest, escapeChar) }),
  CMD: command,
  COPY: list,
  ENTRYPOINT: command,
  ENV: pairs,
  EXPOSE: words,
  FROM: words,
  HEALTHCHECK: (rest) => {
    // byte by byte, as the engine goes
    const bytes = Buffer.from(rest).toString("latin1");
    let end = 0;
    while (end < bytes.length && !isByteBlank(bytes[end]!)) end++;
    if (end === 0) return { args: [] };
    let next = end;
    while (next < bytes.length && isByteBlank(bytes[next]!)) next++;
    const { args, json } = command(utf8(bytes.slice(next)), "\\");
    return { args: [utf8(bytes.slice(0, end)), ...args], json: json ?? false };
  },
  LABEL: pairs,
  MAINTAINER: text,
  ONBUILD: (rest, escapeChar) => {
    if (rest === "") return { args: [] };
    const trigger = readInstruction(rest, escapeChar);
    return { args: [trigger.keyword], trigger };
  },
  RUN: command,
  SHELL: command,
  STOPSIGNAL: text,
  USER: text,
  VOLUME: list,
  WORKDIR: text,
};

/** Reads one instruction, given on one line. @throws DockerfileError */
export function readInstruction(line: string, escapeChar: EscapeChar): Instruction {
  const source = trim(line);
  const [word, after = ""] = splitOnce(source);
  const keyword = KEYWORDS.find((known) => /^[A-Za-z]+$/.test(word) && known === word.toUpperCase());
  if (keyword === undefined) throw new UnknownInstruction(word);
  return located(keyword, () => {
    const { flags, rest } = takeFlags(after, escapeChar);
    const args = trim(rest);
    const parsed = READERS[keyword](args, escapeChar);
    return { keyword, flags, json: false, ...parsed, source };
  });
}

/** No instruction of Dockerfiles. */
export class UnknownInstruction extends DockerfileError {
  constructor(word: string) {
    super(`unknown instruction: ${shown(word.toUpperCase())}`);
  }
}
