import { createHash, createHmac } from "node:crypto";

export type SdkSigning = {
  accessKey: string;
  secret: string;
  method: string;
  /** path and query as they are sent */
  target: string;
  headers: Record<string, string>;
  body?: string;
  /** names that are signed (default all of `headers`) */
  signed?: string[];
  /** `<date>/<region>/<service>`; without it the form that the vendor's present SDKs send */
  scope?: string;
};

/**
 * The header Authorization of a client of this API, computed from the description alone: it shares nothing with what
 * verifies it.
 */
export function signSdk(of: SdkSigning): string {
  const mark = of.target.indexOf("?");
  const path = mark < 0 ? of.target : of.target.slice(0, mark);
  const query = mark < 0 ? "" : of.target.slice(mark + 1);
  const encoded = (text: string) =>
    encodeURIComponent(decodeURIComponent(text)).replace(
      /[!'()*]/g,
      (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
    );
  const parameters =
    query === ""
      ? []
      : query.split("&").map((pair) => {
          const [name = "", ...value] = pair.split("=");
          return [encoded(name), encoded(value.join("="))];
        });
  parameters.sort(([a = "", x = ""], [b = "", y = ""]) => (a === b ? (x < y ? -1 : 1) : a < b ? -1 : 1));
  const names = (of.signed ?? Object.keys(of.headers)).map((name) => name.toLowerCase()).sort();
  const values = new Map(
    Object.entries(of.headers).map(([name, value]) => [name.toLowerCase(), value.trim()]),
  );
  let canonical = `${of.method}\n${path}${path.at(-1) === "/" ? "" : "/"}\n`;
  canonical += `${parameters.map(([name, value]) => `${name}=${value}`).join("&")}\n`;
  for (const name of names) canonical += `${name}:${values.get(name)}\n`;
  canonical += `\n${names.join(";")}\n${createHash("sha256")
    .update(of.body ?? "")
    .digest("hex")}`;

  const hashed = createHash("sha256").update(canonical).digest("hex");
  const date = values.get("x-sdk-date");
  if (of.scope === undefined) {
    const signature = createHmac("sha256", of.secret)
      .update(`SDK-HMAC-SHA256\n${date}\n${hashed}`)
      .digest("hex");
    return `SDK-HMAC-SHA256 Access=${of.accessKey}, SignedHeaders=${names.join(";")}, Signature=${signature}`;
  }
  const scope = `${of.scope}/sdk_request`;
  let key: Buffer = Buffer.from(`SDK${of.secret}`);
  for (const part of scope.split("/")) key = createHmac("sha256", key).update(part).digest();
  const signature = createHmac("sha256", key)
    .update(`SDK-HMAC-SHA256\n${date}\n${scope}\n${hashed}`)
    .digest("hex");
  return `SDK-HMAC-SHA256 Credential=${of.accessKey}/${scope}, SignedHeaders=${names.join(";")}, Signature=${signature}`;
}
