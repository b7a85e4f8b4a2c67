import { CliFailure } from "../failure.ts";

const NEVER_SENT = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"]);
const CUT = new Set(["ECONNRESET", "EPIPE", "ETIMEDOUT", "ECONNABORTED", "ERR_STREAM_PREMATURE_CLOSE"]);

/** Did the connection break after it was established? The request may or may not have arrived. */
export function isCut(error: unknown): boolean {
  return CUT.has(codeOf(error)) || (error instanceof Error && error.message === "aborted");
}

/** A network error as a failure for people; any other error unchanged. */
export function networkFailure(error: unknown, url: string): unknown {
  if (error instanceof CliFailure) return error;
  const code = codeOf(error);
  const why = error instanceof AggregateError ? code : (error as Error)?.message;
  if (NEVER_SENT.has(code) || /CERT|TLS|SSL/.test(code) || code.startsWith("HPE_")) {
    return new CliFailure("GROUND_UNREACHABLE", `cannot reach ${url}: ${why}`, { cause: error });
  }
  if (isCut(error)) {
    return new CliFailure("CONNECTION_LOST", `the connection to ${url} was lost: ${why}`, {
      cause: error,
      hint: "a command that the edge has taken goes on: perigee commands",
    });
  }
  return error;
}

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException | undefined)?.code ?? "");
}
