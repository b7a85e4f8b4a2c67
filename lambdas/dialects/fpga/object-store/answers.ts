import { randomBytes } from "node:crypto";
import { SAFE_HEADERS } from "../../../http/safe-headers.ts";
import type { StoreRefusal } from "./store-errors.ts";
import { document, type Element, errorDocument } from "./xml.ts";

const XML = "application/xml";
const newId = () => randomBytes(8).toString("hex").toUpperCase();

/** A document of this protocol. */
export function xml(root: Element): Response {
  return new Response(document(root), {
    headers: { "content-type": XML, "x-amz-request-id": newId(), ...SAFE_HEADERS },
  });
}

/** An answer without a body. */
export function done(status: number, headers: Record<string, string> = {}): Response {
  return new Response(null, {
    status,
    headers: { "x-amz-request-id": newId(), ...SAFE_HEADERS, ...headers },
  });
}

/** What is refused; of HEAD only the status is told. */
export function refusal({ status, code, message, headers: own }: StoreRefusal, method: string): Response {
  const id = newId();
  const headers = { "x-amz-request-id": id, ...SAFE_HEADERS, ...own };
  if (method === "HEAD") return new Response(null, { status, headers });
  return new Response(errorDocument(code, message, id), {
    status,
    headers: { ...headers, "content-type": XML },
  });
}
