/** A request as it arrived: what a signature is over. */
export type SignedRequest = {
  method: string;
  /** the raw request target: nothing in it was folded, decoded or resolved */
  target: string;
  /** values of a header by its lower-case name; of several they are joined by a comma */
  header(name: string): string | undefined;
  /** all headers whose lower-case names begin so */
  headersOf(prefix: string): readonly (readonly [name: string, value: string])[];
  body: Uint8Array;
  /** the hosts, ports included, that the client may have meant */
  hosts: readonly string[];
};

/** The raw target's path and query; without the query's question mark, and without a host that a proxy's client names. */
export function splitTarget(target: string): { path: string; query: string } {
  const local = target.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?]*/i, "");
  const mark = local.indexOf("?");
  if (mark === -1) return { path: local, query: "" };
  return { path: local.slice(0, mark), query: local.slice(mark + 1) };
}
