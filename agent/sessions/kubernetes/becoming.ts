/**
 * The cluster starts every program as the container's own user. This fixed text makes it another's, and then becomes
 * its arguments: first the acting user, then the program. The container's streams are given to the user, who may then
 * open them by their names.
 */
export const BECOME = `as=$1
shift
fail() { echo "$1" >&2; exit 126; }
case $as in
  own) exec "$@";;
  root) [ "$(id -u)" = 0 ] || fail "the container does not run as root"; exec "$@";;
esac
uid=$(id -u user 2>/dev/null) && gid=$(id -g user 2>/dev/null) && groups=--init-groups || {
  uid=1000 gid=1000 groups=--clear-groups
}
[ "$(id -u)" != "$uid" ] || exec "$@"
[ "$(id -u)" = 0 ] || fail "the container does not run as root"
for fd in 0 1 2; do
  if [ -p "/proc/$$/fd/$fd" ] || [ -t "$fd" ]; then chown "$uid:$gid" "/proc/$$/fd/$fd"; fi
done
if command -v setpriv >/dev/null 2>&1; then exec setpriv "--reuid=$uid" "--regid=$gid" "$groups" -- "$@"; fi
[ "$groups" = --init-groups ] || fail "the image has neither setpriv nor a user called user"
if command -v runuser >/dev/null 2>&1; then exec runuser -u user -- "$@"; fi
if [ -x /sbin/setuser ]; then exec /sbin/setuser user "$@"; fi
fail "the image has none of setpriv, runuser and /sbin/setuser"`;

/** A program as somebody; pure. */
export function becoming(as: string, argv: readonly string[]): string[] {
  return as === "own" ? [...argv] : ["/bin/sh", "-c", BECOME, "sh", as, ...argv];
}
