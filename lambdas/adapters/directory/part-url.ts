import { PerigeeError } from "#protocol/errors.ts";
import type { Part } from "../../ports/part-uploads.ts";
import { keyParts } from "../../ports/staging-key.ts";
import type { UrlSignature } from "./url-signature.ts";

/**
 * What a signed part URL allows to PUT: part `part` of an upload, or without `upload` a whole object. `kept`: what arrives of
 * that is kept when it is cut.
 */
export type PartTarget = { key: string; upload?: string; part: Part; kept?: boolean };

/** Means "no upload" in the signed text; no upload has this id. */
const WHOLE = "-";

/** A URL relative to the ground's address: `/staging/<key>?upload=&part=&crc32=&kept=&expires=&max=&signature=`. */
export function signPartUrl(signature: UrlSignature, target: PartTarget, seconds: number): string {
  const { key, upload, part, kept } = target;
  const path = keyParts(key).map(encodeURIComponent).join("/");
  const query = new URLSearchParams({
    ...(upload !== undefined && { upload }),
    part: String(part.number),
    crc32: part.crc32,
    ...(kept && { kept: "1" }),
  });
  const signed = signature.sign("PART", lines(target), seconds, part.size);
  return `/staging/${path}?${query}&${signed}`;
}

/**
 * Reads the query of such a URL.
 * @returns undefined when it is a URL of another kind
 * @throws PerigeeError SIGNATURE_INVALID when it was not signed so, or has expired
 */
export function verifyPartUrl(
  signature: UrlSignature,
  key: string,
  query: URLSearchParams,
): PartTarget | undefined {
  const { upload, part: number = "", crc32 = "" } = Object.fromEntries(query);
  if (!query.has("part")) return undefined;
  // the fields are joined by line breaks, so none may contain one
  const wellFormed =
    /^\d{1,5}$/.test(number) &&
    /^[0-9a-f]{8}$/.test(crc32) &&
    (upload === undefined || /^[0-9a-f]{1,64}$/.test(upload));
  if (!wellFormed) throw new PerigeeError("SIGNATURE_INVALID", "The URL is not signed for this");
  const target: PartTarget = {
    key,
    ...(upload !== undefined && { upload }),
    part: { number: Number(number), size: 0, crc32 },
    ...(query.has("kept") && { kept: true }),
  };
  target.part.size = signature.verify("PART", lines(target), query).maxBytes;
  return target;
}

function lines({ key, upload, part, kept }: PartTarget): string {
  return [key, upload ?? WHOLE, part.number, part.crc32, ...(kept ? ["kept"] : [])].join("\n");
}
