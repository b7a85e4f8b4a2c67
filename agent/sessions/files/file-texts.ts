/**
 * The fixed shell texts of file operations; every value is an argument. The first one is always the directory in place
 * of `/`, where relative paths begin.
 */

/** Kills what the shell becomes as soon as its input ends, so that nothing goes on that nobody reads. */
const WITH_ITS_READER = `exec 3<&0 </dev/null
(read -r _ <&3; kill -9 "$$") >/dev/null 2>&1 &
exec 3<&-`;

const AT_HOME = `if [ -n "$1" ] && [ "$(pwd)" = / ]; then cd "$1" 2>/dev/null || exit 65; fi`;

/** Arguments: `R` or nothing, the path. Of all standard programs only `ls` shows access control lists. */
export const LIST = `${WITH_ITS_READER}
${AT_HOME}
LC_ALL=C exec ls "-l$2" --time-style=+%s --quoting-style=c --block-size=1 -- "$3"`;

/** Argument: the path. Tells the size in a line, then the content; ends with 66 where there is nothing to read. */
export const READ = `${WITH_ITS_READER}
${AT_HOME}
[ -f "$2" ] || exit 66
exec 4<"$2" || exit 66
size=$(stat -Lc %s /proc/self/fd/4) || exit 66
[ "$size" != 0 ] || head -c 1 <&4 >/dev/null || exit 66
echo "size $size"
exec cat <&4 4<&-`;

/**
 * Arguments: how many bytes of its input are paths to be removed, each with a NUL behind it, and \`all\` where what is
 * in the directory goes but hidden names. The rest of its input is a tar. Where the directory itself was removed there
 * is a new one: nothing could be done in the container any more. Times are the container's, whose clock the tar's maker
 * does not know.
 */
export const CHANGE = `${AT_HOME}
umask 022
here=$(pwd)
{
  [ "$3" != all ] || find . -mindepth 1 -maxdepth 1 ! -name '.*' -exec rm -rf -- {} +
  [ "$2" = 0 ] || head -c "$2" | xargs -0 rm -rf --
  [ -d "$here" ] || { mkdir -p -- "$here" && chmod 1777 "$here" && cd "$here"; }
} >/dev/null 2>&1
LC_ALL=C exec tar --extract --touch --absolute-names --numeric-owner --same-owner --same-permissions --file=-`;
