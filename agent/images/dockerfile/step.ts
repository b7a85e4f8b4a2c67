import { isAgentLabel } from "../image-labels.ts";
import { localSource } from "./add.ts";
import { splitOnce, trim } from "./blanks.ts";
import type { EscapeChar } from "./directives.ts";
import { DockerfileError, shown } from "./error.ts";
import type { Expander, Variables } from "./expand.ts";
import { readFlags } from "./flags.ts";
import { HEREDOC_MESSAGE, hasHeredoc } from "./heredoc.ts";
import type { Instruction, Keyword } from "./instruction.ts";
import type { Scope } from "./scope.ts";
import { checkTrigger, RESERVED_LABEL } from "./trigger.ts";
import { quote, writeKey, writeList, writeLiterals, writePair, writeText } from "./write.ts";

export type StepContext = {
  /** of the stage; what the instruction sets is set here */
  scope: Scope;
  /** ARG before the first FROM */
  globals: ReadonlyMap<string, string>;
  escapeChar: EscapeChar;
  expander: Expander;
  /** the ID or stage for what COPY --from names */
  source(from: string): Promise<string>;
};

type Writer = (instruction: Instruction, context: StepContext) => string | Promise<string>;

const SHELLS = /(?:^|\/)(?:a|ba|da|k|mk|z)?sh$/;

/**
 * The text of an instruction for the engine, with all variables expanded: in what it sets every value is a
 * literal, in lists and commands JSON, so that it can be read in one way only.
 * @throws DockerfileError
 */
export async function writeStep(instruction: Instruction, context: StepContext): Promise<string> {
  const text = await WRITERS[instruction.keyword](instruction, context);
  return text === "" ? instruction.keyword : `${instruction.keyword} ${text}`;
}

const one: Writer = ({ flags, args, keyword }, context) => {
  // the engine does not look at those of STOPSIGNAL
  if (keyword !== "STOPSIGNAL") readFlags(flags, []);
  if (args.length !== 1) throw new DockerfileError("requires exactly one argument");
  return quote(expand(args[0]!, context));
};

const pairs: Writer = ({ keyword, flags, args }, context) => {
  readFlags(flags, []);
  if (args.length === 0) throw new DockerfileError("requires at least one argument");
  // all of them see what was before the instruction
  const words = args.map((word, i) => {
    if (i % 2 === 0 && word === "") throw new DockerfileError("names can not be blank");
    return expand(word, context);
  });
  const written: string[] = [];
  for (let i = 0; i < words.length; i += 2) {
    const [key, value] = [words[i]!, words[i + 1]!];
    if (keyword === "LABEL" && isAgentLabel(key)) throw new DockerfileError(RESERVED_LABEL);
    if (keyword === "ENV") context.scope.set(key, value);
    written.push(writePair(key, value));
  }
  return written.join(" ");
};

const copy: Writer = async ({ keyword, flags, args, json }, context) => {
  const known = keyword === "COPY" ? ["from", "chown"] : ["chown"];
  const read = readFlags(flags, known);
  if (!json && hasHeredoc(args.join(" "))) throw new DockerfileError(HEREDOC_MESSAGE);
  if (args.length < 2) throw new DockerfileError("requires at least two arguments");
  const paths = args.map((path) => expand(path, context));
  const written: string[] = [];
  const from = read.get("from");
  if (from !== undefined) written.push(`--from=${await context.source(from)}`);
  const chown = read.get("chown");
  if (chown !== undefined) written.push(`--chown=${writeFlag(expand(chown, context))}`);
  const sources = paths.slice(0, -1);
  const all = [...(keyword === "ADD" ? sources.map(localSource) : sources), ...paths.slice(-1)];
  return [...written, writeLiterals(all)].join(" ");
};

const command: Writer = ({ flags, args, json }) => {
  readFlags(flags, []);
  return json || args.length > 0 ? writeList(args) : "";
};

const WRITERS: Record<Keyword, Writer> = {
  ADD: copy,
  COPY: copy,
  ARG: ({ args }, context) => {
    if (args.length === 0) throw new DockerfileError("requires at least one argument");
    return args
      .map((word) => {
        const [name, given] = readArg(word, context.scope, context.expander);
        return [name, given ?? context.globals.get(name)] as const;
      })
      .map(([name, value]) => {
        context.scope.declare(name, value);
        return value === undefined ? writeKey(name) : writePair(name, value);
      })
      .join(" ");
  },
  CMD: (instruction, context) => command(inShell(instruction, context), context),
  ENTRYPOINT: (instruction, context) => command(inShell(instruction, context), context),
  RUN: (instruction, context) => {
    const { args, json } = instruction;
    const shell = SHELLS.test(context.scope.shell[0] ?? "");
    if (!json && shell && hasHeredoc(args[0] ?? "")) throw new DockerfileError(HEREDOC_MESSAGE);
    return command(inShell(instruction, context), context);
  },
  SHELL: (instruction, context) => {
    const written = command(instruction, context);
    if (instruction.args.length === 0) throw new DockerfileError("requires at least one argument");
    if (!instruction.json) throw new DockerfileError("requires the arguments to be in JSON form");
    context.scope.shell = instruction.args;
    return written;
  },
  ENV: pairs,
  LABEL: pairs,
  EXPOSE: ({ flags, args }, context) => {
    readFlags(flags, []);
    if (args.length === 0) throw new DockerfileError("requires at least one argument");
    const ports = args.flatMap((word) => context.expander.words(word, context.scope));
    // the engine takes a list that comes to nothing
    return ports.length === 0 ? "''" : ports.map(quote).join(" ");
  },
  HEALTHCHECK: ({ flags, args, json }, { escapeChar }) => {
    const [type, ...test] = args;
    if (type === undefined) throw new DockerfileError("requires at least one argument");
    if (type.toUpperCase() === "NONE") {
      if (test.length > 0) throw new DockerfileError("NONE takes no arguments");
      return "NONE";
    }
    if (type.toUpperCase() !== "CMD") throw new DockerfileError(`unknown type ${shown(type)} (try CMD)`);
    const read = readFlags(flags, ["interval", "timeout", "start-period", "retries"]);
    if (test.length === 0) throw new DockerfileError("missing command after CMD");
    const written = [...read].map(([name, value]) => `--${name}=${writeFlag(value)}`);
    return [...written, "CMD", json ? writeList(test) : writeText(test[0]!, escapeChar)].join(" ");
  },
  MAINTAINER: ({ flags, args }, { escapeChar }) => {
    readFlags(flags, []);
    if (args.length !== 1) throw new DockerfileError("requires exactly one argument");
    return writeText(args[0]!, escapeChar);
  },
  ONBUILD: ({ flags, trigger }, { escapeChar }) => {
    if (!trigger) throw new DockerfileError("requires at least one argument");
    readFlags(flags, []);
    checkTrigger(trigger);
    if (trigger.keyword === "RUN" && !trigger.json && hasHeredoc(trigger.args[0] ?? "")) {
      throw new DockerfileError(HEREDOC_MESSAGE);
    }
    return triggerText(trigger, escapeChar);
  },
  STOPSIGNAL: one,
  USER: one,
  WORKDIR: one,
  VOLUME: ({ flags, args }, context) => {
    readFlags(flags, []);
    if (args.length === 0) throw new DockerfileError("requires at least one argument");
    const paths = args.map((path) => {
      const trimmed = trim(path);
      if (trimmed === "") throw new DockerfileError("a path must not be empty");
      return expand(trimmed, context);
    });
    return writeLiterals(paths);
  },
  FROM: () => {
    throw new DockerfileError("a stage is no step");
  },
};

/** Name and value, if there is one, of a word of ARG. @throws DockerfileError */
export function readArg(
  word: string,
  variables: Variables,
  expander: Expander,
): [name: string, value: string | undefined] {
  const equals = word.indexOf("=");
  if (equals === 0) throw new DockerfileError("names can not be blank");
  if (equals < 0) return [expander.word(word, variables), undefined];
  const [name, value] = [word.slice(0, equals), word.slice(equals + 1)];
  return [expander.word(name, variables), expander.word(value, variables)];
}

function expand(word: string, { scope, expander }: StepContext): string {
  return expander.word(word, scope);
}

/** The shell form as what it comes to: the engine would look for flags, JSON and heredocs in its text. */
function inShell(instruction: Instruction, { scope }: StepContext): Instruction {
  if (instruction.json || instruction.args.length === 0) return instruction;
  return { ...instruction, args: [...scope.shell, ...instruction.args], json: true };
}

/** The value of a flag, in which the engine would take quotes and escapes away. */
function writeFlag(value: string): string {
  if (/^[A-Za-z0-9_.:+,/-]*$/.test(value)) return value;
  throw new DockerfileError(`cannot take ${shown(value)} as the value of a flag`);
}

/** As it is written: it is read, and its variables are expanded, where something is built on the image. */
function triggerText({ keyword, source }: Instruction, escapeChar: EscapeChar): string {
  const [, rest = ""] = splitOnce(source);
  return writeText(rest === "" ? keyword : `${keyword} ${rest}`, escapeChar);
}
