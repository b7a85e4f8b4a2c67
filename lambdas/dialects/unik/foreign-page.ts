/**
 * Does a page of another host ask? Browsers send Basic credentials on their own, so such a request is nobody's wish. Pure.
 * @param header a header of the request by its lower-case name
 * @param hosts by which users reach the ground, in lower case: that of the request, and what stands before the ground
 */
export function isForeignPage(
  header: (name: string) => string | undefined,
  hosts: readonly string[],
): boolean {
  if (/^(?:cross-site|same-site)$/i.test(header("sec-fetch-site") ?? "")) return true;
  const origin = header("origin");
  if (origin === undefined) return false;
  const [, host] = /^[a-z][a-z0-9+.-]*:\/\/([^/]*)$/i.exec(origin) ?? [];
  return host === undefined || !hosts.includes(host.toLowerCase());
}
