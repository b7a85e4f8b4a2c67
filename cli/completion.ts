import type { Command, Option } from "commander";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

type Word = { word: string; description: string };
type Node = {
  /** "" for perigee itself, "volumes rm" for a subcommand */
  path: string;
  verbs: Word[];
  options: Word[];
  /** options that take a value, with their possible values; without any, file names are completed */
  values: Map<string, string[]>;
  /** possible values of the first argument, when they are known */
  choices: string[];
  /** its arguments name local files */
  files: boolean;
};

const LOCAL_FILES = new Set(["uplink", "compile", "kabuto run", "fpga register"]);
const LOCAL_FILE_OPTIONS = new Set([
  "-o",
  "--output",
  "--attach",
  "--data",
  "--tle",
  "--sign",
  "--metadata-file",
]);

/** The completion script of a shell, generated from the command tree. */
export function completionScript(program: Command, shell: Shell): string {
  const nodes = collect(program);
  if (shell === "bash") return bash(nodes);
  return shell === "zsh" ? zsh(nodes) : fish(nodes);
}

function collect(program: Command): Node[] {
  const nodes: Node[] = [];
  const visit = (command: Command, path: string, inherited: readonly Option[]) => {
    const own = [...command.options, ...inherited].filter((option) => !option.hidden);
    const words = own.flatMap((option) =>
      [option.short, option.long].flatMap((word) =>
        word ? [{ word, description: option.description }] : [],
      ),
    );
    const values = new Map<string, string[]>();
    for (const option of own.filter(({ required, optional }) => required || optional)) {
      for (const word of [option.short, option.long]) if (word) values.set(word, option.argChoices ?? []);
    }
    nodes.push({
      path,
      verbs: command.commands.map((child) => ({ word: child.name(), description: child.description() })),
      options: [...words, { word: "--help", description: "display help for command" }],
      values,
      choices: command.registeredArguments[0]?.argChoices ?? [],
      files: LOCAL_FILES.has(path),
    });
    for (const child of command.commands) {
      const global = path === "" ? command.options.filter(({ long }) => long !== "--version") : inherited;
      visit(child, `${path} ${child.name()}`.trim(), global);
    }
  };
  visit(program, "", []);
  return nodes;
}

/** A shell pattern of every option that takes a value, by the verb it belongs to (`build -f`, not `logs -f`). */
function takesValue(nodes: Node[], pattern: (path: string, word: string) => string): string {
  return nodes.flatMap(({ path, values }) => [...values.keys()].map((word) => pattern(path, word))).join("|");
}

const list = (words: string[]) => words.join(" ");
const wordsOf = (words: Word[]) => list(words.map(({ word }) => word));

function bash(nodes: Node[]): string {
  const withValue = takesValue(nodes, (path, word) => `"${path}|${word}"`);
  const cases = nodes.map((node) => {
    const plain = node.verbs.length ? wordsOf(node.verbs) : list(node.choices);
    const values = [...node.values]
      .filter(([word, known]) => known.length > 0 || LOCAL_FILE_OPTIONS.has(word))
      .map(([word, known]) =>
        known.length ? `          ${word}) values="${list(known)}" ;;` : `          ${word}) files=1 ;;`,
      );
    const nested = node.verbs.map(({ word }) => word);
    return { node, plain, values, nested };
  });
  return `# bash completion of perigee
_perigee() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="" path="" words="" options="" values="" files="" i word skip=""
  (( COMP_CWORD > 0 )) && previous="\${COMP_WORDS[COMP_CWORD-1]}"
  COMPREPLY=()
  for (( i = 1; i < COMP_CWORD; i++ )); do
    word="\${COMP_WORDS[i]}"
    if [[ -n $skip ]]; then skip=""; continue; fi
    case "$path|$word" in
      *"|--") return ;;
      ${withValue}) skip=1; continue ;;
      *"|-"*) continue ;;
    esac
    case "$path $word" in
${cases
  .filter(({ nested }) => nested.length)
  .map(
    ({ node, nested }) =>
      `      ${nested.map((word) => `"${node.path} ${word}"`).join("|")}) path="${node.path ? `${node.path} ` : ""}$word" ;;`,
  )
  .join("\n")}
    esac
  done
  case "$path" in
${cases
  .map(
    ({ node, plain, values }) => `    "${node.path}")
      words="${plain}"
      options="${wordsOf(node.options)}"${node.files ? "\n      files=1" : ""}
      if [[ -n $skip ]]; then
        files=""
        case "$previous" in
${values.join("\n")}
          *) ;;
        esac
        words="$values"
      fi ;;`,
  )
  .join("\n")}
  esac
  if [[ $current == -* && -z $skip ]]; then words="$options"; files=""; fi
  local IFS=$' \\t\\n'
  COMPREPLY=( $(compgen -W "$words" -- "$current") )
  if [[ -n $files ]]; then
    compopt -o filenames 2>/dev/null
    IFS=$'\\n'
    COMPREPLY+=( $(compgen -f -- "$current") )
  fi
}
complete -F _perigee perigee
`;
}

const zshText = (text: string) => text.replace(/['[\]:\\]/g, (c) => (c === "'" ? "'\\''" : `\\${c}`));

function zsh(nodes: Node[]): string {
  const describe = (words: Word[]) =>
    words.map(({ word, description }) => `'${word}:${zshText(description)}'`).join(" ");
  const functions = nodes.map((node) => {
    const cases = [...node.values].map(([word, known]) => {
      const action = known.length
        ? `compadd -- ${list(known)}`
        : LOCAL_FILE_OPTIONS.has(word)
          ? "_files"
          : ":";
      return `        ${word}) ${action}; return ;;`;
    });
    const plain = node.verbs.length
      ? `local -a verbs; verbs=(${describe(node.verbs)}); _describe verb verbs`
      : node.choices.length
        ? `compadd -- ${list(node.choices)}`
        : node.files
          ? "_files"
          : ":";
    return `    "${node.path}")
      case "$words[CURRENT-1]" in
${cases.join("\n")}
      esac
      if [[ $words[CURRENT] == -* ]]; then
        local -a options; options=(${describe(node.options)}); _describe option options
      else
        ${plain}
      fi ;;`;
  });
  const withValue = takesValue(nodes, (path, word) => `"${path}|${word}"`);
  const nested = nodes
    .filter(({ verbs }) => verbs.length)
    .map(
      ({ path, verbs }) =>
        `      ${verbs.map(({ word }) => `"${path} ${word}"`).join("|")}) verb="${path ? `${path} ` : ""}$word" ;;`,
    );
  return `#compdef perigee
_perigee() {
  local verb="" word i skip=""
  for (( i = 2; i < CURRENT; i++ )); do
    word="$words[i]"
    if [[ -n $skip ]]; then skip=""; continue; fi
    case "$verb|$word" in
      *"|--") return ;;
      ${withValue}) skip=1; continue ;;
      *"|-"*) continue ;;
    esac
    case "$verb $word" in
${nested.join("\n")}
    esac
  done
  case "$verb" in
${functions.join("\n")}
  esac
}
compdef _perigee perigee
`;
}

const fishText = (text: string) => `'${text.replace(/[\\']/g, "\\$&")}'`;

function fish(nodes: Node[]): string {
  const lines = ["# fish completion of perigee", "complete -c perigee -f"];
  for (const { path, verbs, options, values, choices, files } of nodes) {
    const seen = path.split(" ").filter(Boolean);
    const inside = seen.map((word) => `__fish_seen_subcommand_from ${word}`);
    const notDeeper = verbs.length ? [`not __fish_seen_subcommand_from ${wordsOf(verbs)}`] : [];
    const condition = fishText([...inside, ...notDeeper].join("; and ") || "true");
    for (const { word, description } of verbs) {
      lines.push(`complete -c perigee -n ${condition} -a ${word} -d ${fishText(description)}`);
    }
    if (choices.length) lines.push(`complete -c perigee -n ${condition} -a ${fishText(list(choices))}`);
    if (files) lines.push(`complete -c perigee -n ${condition} -F`);
    for (const { word, description } of options) {
      const name = word.startsWith("--") ? `-l ${word.slice(2)}` : `-s ${word.slice(1)}`;
      const known = values.get(word);
      const value = !known
        ? ""
        : known.length
          ? ` -x -a ${fishText(list(known))}`
          : LOCAL_FILE_OPTIONS.has(word)
            ? " -r -F"
            : " -x";
      lines.push(`complete -c perigee -n ${condition} ${name}${value} -d ${fishText(description)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}
