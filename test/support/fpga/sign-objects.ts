import { createHmac } from "node:crypto";

/**
 * The header Authorization of a client of the object store (signature version 2), computed from the description alone: it
 * shares nothing with what verifies it.
 */
export function signObjects(of: {
  accessKey: string;
  secret: string;
  method: string;
  /** path and query as they are sent */
  target: string;
  /** by lower-case names */
  headers: Record<string, string>;
}): string {
  const { accessKey, secret, method, target, headers } = of;
  const [path = "", query = ""] = target.split("?");
  const own = Object.keys(headers).filter((name) => name.startsWith("x-amz-"));
  const lines = [
    method,
    headers["content-md5"] ?? "",
    headers["content-type"] ?? "",
    own.includes("x-amz-date") ? "" : (headers.date ?? ""),
    ...own.sort().map((name) => `${name}:${headers[name]}`),
  ];
  const sub = ["acl", "location"].filter((name) => query.split("&").includes(name));
  const resource = sub.length > 0 ? `${path}?${sub.join("&")}` : path;
  const signature = createHmac("sha1", secret)
    .update([...lines, resource].join("\n"))
    .digest("base64");
  return `AWS ${accessKey}:${signature}`;
}
