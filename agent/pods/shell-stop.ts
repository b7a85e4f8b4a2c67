const SHELL = /(?:^|\/)(?:sh|ash|dash|bash)$/;
const WITH_COMMAND = /^-[a-zA-Z]*c[a-zA-Z]*$/;

/**
 * A shell that is a container's first process never dies of SIGTERM, and hands it on to nobody. With this it ends when
 * the command that it waits for has, with that command's exit code, begins no further one, and waits for what runs
 * beside it, as the rest is killed with it.
 */
const END_WITH_CHILDREN =
  `trap 'e=$?; trap "" TERM; wait; ` +
  `while kill -s 0 -- -1; do sleep 0.1 || sleep 1 || break; done 2>/dev/null; exit $e' TERM; `;

/**
 * Run in the container, it hands SIGTERM on: first to those that handle it, and when they have ended to all others. A
 * `tee` at the end of a pipe would else be gone before the last words of the program at its beginning.
 */
const HAND_ON = [
  "runs() { while read -r k v w; do",
  "case $k in State:) case $v in [ZX]*) return 1;; esac; return 0;; esac; done < $1/status; return 1; };",
  "told=;",
  "cd /proc; for n in [0-9]*; do [ $n -eq 1 ] || [ $n -eq $$ ] || while read -r k v; do",
  // the bit of SIGTERM
  'case "$k $v" in "SigCgt: "*[4567cdef]???) kill -s TERM $n && told="$told $n";; esac; done < $n/status;',
  "done 2>/dev/null;",
  "for n in $told; do while runs $n; do sleep 0.1 || sleep 1 || break; done; done 2>/dev/null;",
  // whoever reads from them ends by itself once it has read to the end
  '[ -z "$told" ] || sleep 0.5 || sleep 1;',
  "kill -s TERM -- -1",
].join(" ");

/** A shell that handles SIGTERM itself tells its children as it likes: `trap`, what to do in one word, and signals. */
const OWN_TRAP =
  /\btrap\s+(?:--\s+)?(?:'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[^\s;&|'"\\])+(?:[ \t]+\w{1,9}){0,20}?[ \t]+(?:(?:SIG)?TERM|15)\b/is;

/** Options of shells that take the next word as their value. */
const WITH_VALUE = /^(?:[-+][a-zA-Z]*[oO][a-zA-Z]*|--rcfile|--init-file)$/;

/**
 * A shell with a command (`/bin/sh -c …`) so that it ends when it is told to, together with what {@link tellAll} runs;
 * undefined for anything else, and for one that handles the signal itself.
 */
export function stoppable(argv: readonly string[]): string[] | undefined {
  const at = commandAt(argv);
  const command = at === undefined ? undefined : argv[at];
  if (command === undefined || OWN_TRAP.test(command)) return undefined;
  return argv.map((word, n) => (n === at ? END_WITH_CHILDREN + command : word));
}

/** Where a shell's command stands: the first word after its options, when `-c` is among them. */
function commandAt(argv: readonly string[]): number | undefined {
  if (!SHELL.test(argv[0] ?? "")) return undefined;
  let at = 1;
  let commands = false;
  for (; /^[-+]./.test(argv[at] ?? ""); at++) {
    const option = argv[at]!;
    if (option === "--") {
      at++;
      break;
    }
    if (WITH_COMMAND.test(option)) commands = true;
    if (WITH_VALUE.test(option)) at++;
  }
  return commands && at < argv.length ? at : undefined;
}

/** Was it made by {@link stoppable}? */
export function isStoppable(argv: readonly string[]): boolean {
  const at = commandAt(argv);
  return at !== undefined && argv[at]!.startsWith(END_WITH_CHILDREN);
}

/**
 * The command that tells all processes of a container but the first of a stop, to be run in it by its own shell.
 * @param first also tell the first one, before all others
 */
export function tellAll(argv: readonly string[], { first }: { first: boolean }): string[] {
  return [argv[0]!, "-c", first ? `kill -s TERM 1; ${HAND_ON}` : HAND_ON];
}
