import type { SignedRequest } from "#lambdas/dialects/fpga/auth/signed-request.ts";

/** A request as it would have arrived at a ground that its users reach by the Host that it names, or by `hosts`. */
export function arrivedRequest(of: {
  method: string;
  target: string;
  headers: Record<string, string>;
  body?: string;
  hosts?: string[];
}): SignedRequest {
  const headers = new Map(Object.entries(of.headers).map(([name, value]) => [name.toLowerCase(), value]));
  return {
    method: of.method,
    target: of.target,
    header: (name) => headers.get(name),
    headersOf: (prefix) => [...headers].filter(([name]) => name.startsWith(prefix)),
    body: Buffer.from(of.body ?? ""),
    hosts: of.hosts ?? [headers.get("host") ?? ""],
  };
}
