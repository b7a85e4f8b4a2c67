/** Is it a loopback address, as a server's setting names it? */
export function isLoopback(host: string): boolean {
  return ["localhost", "::1"].includes(host) || /^127(?:\.\d{1,3}){3}$/.test(host);
}
