/**
 * The only shell texts that run in containers for an execution. They are fixed: every value is an argument, so that
 * none is ever quoted. POSIX `sh`, `env` and `/proc` are all they need.
 */

/**
 * Stays beside a program, as an execution of its own. Its stdout tells how the program fares (lines `pid`, `run`,
 * `fail`, `exit`), its stderr is the program's where that is to be apart from the terminal, and its stdin takes
 * signals as `NAME group|one PID`. It ends at `end`, which it answers with a line `end`, and with its input.
 *
 * A terminal's foreground group is told as the kernel does when a line hangs up: its leader too.
 */
export const CONTROL = `echo "pid $$"
while read -r signal whom pid && [ "$signal" != end ]; do {
  set -f
  if read -r stat < "/proc/$pid/stat"; then
    if [ "$whom" = group ]; then
      set -- \${stat##*) }
      [ "$6" -gt 1 ] && kill "-$signal" "-$6"
    fi
    case $whom$signal in one*|groupHUP|groupKILL) kill "-$signal" "$pid";; esac
  fi
} 2>/dev/null; done
[ "$signal" != end ] || echo end`;

/** Exit code of a {@link PARENT} that finds no control. */
export const NO_CONTROL = 117;

/**
 * The program's parent: the terminal's session leader, which waits for it and tells how it ended. A child that the
 * program leaves behind may hold the streams; it is never taken for the program. What bash itself says of the
 * program's end (`Killed`, as `sh` only outside its POSIX mode) goes to the control. That is not ended from here: on a
 * cluster its stream, the program's stderr where that is apart, would be closed over what is still on its way. (An image
 * may have a variable BASH_VERSION and no bash: by `command` a shell survives the option that it does not know.)
 * The terminal's first size is set from inside, where there is a `stty`: the engine can give it only to a program that
 * runs already, and may look at it before. Where the control has ended it exits with {@link NO_CONTROL} and without
 * output, and starts nothing. Arguments: the control's PID, `apart` or `merged`, rows and columns (each may
 * be empty), and the words that begin {@link BEGIN}.
 */
export const PARENT = `[ -e "/proc/$1/fd/1" ] || exit ${NO_CONTROL}
exec 9>"/proc/$1/fd/1"
[ "$2" = apart ] && exec 2>"/proc/$1/fd/2"
[ -z "$3" ] || stty rows "$3" cols "$4" 2>/dev/null
shift 4
exec 3>&2 2>&9
trap : HUP INT QUIT TERM
[ -z "$BASH_VERSION" ] || command set +o posix
"$@" 2>&3 3>&-
code=$?
exec 2>/dev/null
echo "exit $code" >&9
exit "$code"`;

/**
 * Becomes the program. Arguments: the directory in place of \`/\`, the directory asked for, the program and the PATH to
 * look for it (each may be empty), and the words of \`env\`, which applies the request's variables last.
 */
export const BEGIN = `home=$1 directory=$2 program=$3 path=$4
shift 4
if [ -n "$home" ] && [ "$PWD" = / ]; then
  cd "$home" 2>/dev/null || { echo "fail home" >&9; exit 126; }
fi
if [ -n "$directory" ]; then
  cd "$directory" 2>/dev/null || { echo "fail directory" >&9; exit 126; }
fi
found() {
  case $program in
    */*) [ -f "$program" ] && [ -x "$program" ];;
    *) command -v -- "$program";;
  esac
}
# a PATH of the request is for this alone, and a process more
if [ -n "$path" ]; then (PATH=$path; found); else found; fi >/dev/null 2>&1 || { echo "fail program" >&9; exit 127; }
echo "run $$" >&9
exec env "$@" 9>&-`;
