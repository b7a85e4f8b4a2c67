import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import { type ParameterisedHeader, readParameters } from "./header-parameters.ts";

/** A Content-Type; one that breaks the grammar has its media type and no parameters. */
export function readMediaType(header: string | undefined): ParameterisedHeader {
  try {
    return readParameters(header ?? "");
  } catch {
    return { value: header!.split(";", 1)[0]!.trim().toLowerCase(), parameters: new Map() };
  }
}

/** The boundary of a multipart Content-Type. @throws INVALID_PARAMETERS */
export function boundaryOf(contentType: string): string {
  const refuse = (rule: string) => new PerigeeError("INVALID_PARAMETERS", `Content-Type: ${rule}`);
  let boundary: string | undefined;
  try {
    boundary = readParameters(contentType).parameters.get("boundary")?.trimEnd();
  } catch (error) {
    throw refuse((error as Error).message);
  }
  if (!boundary) throw refuse("a multipart form must name its boundary");
  if (boundary.length > LIMITS.boundaryBytes || !/^[\x20-\x7e]+$/.test(boundary)) {
    throw refuse(`the boundary must be at most ${LIMITS.boundaryBytes} printable characters`);
  }
  return boundary;
}
