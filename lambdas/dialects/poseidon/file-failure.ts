import type { PerigeeError } from "#protocol/errors.ts";
import type { LiveEnd } from "#protocol/live.ts";
import { gone, refusal, TEXTS } from "./refusals.ts";

/** What a file operation's end refuses its request with; undefined: it succeeded. */
export function fileFailure(end: LiveEnd): PerigeeError | undefined {
  if (end.type === "exit") return end.code === 0 ? undefined : refusal(500, TEXTS.unknown);
  // the runner's inactivity is over, or it ended meanwhile
  if (end.type === "timeout") return gone();
  switch (end.code) {
    case "GONE":
    case "STOPPED":
    case "OOM_KILLED":
      return gone();
    case "FILE_UNREADABLE":
      return refusal(424, TEXTS.unreadable);
    case "COPY_FAILED":
      return refusal(500, end.message);
    case "UNREACHABLE":
      return refusal(500, TEXTS.unreachable, "NOMAD_UNREACHABLE");
    case "TOO_MANY":
      return refusal(500, TEXTS.overloaded, "NOMAD_OVERLOAD");
    case "UNSUPPORTED":
      return refusal(500, TEXTS.unsupported, "NOMAD_INTERNAL_SERVER_ERROR");
    case "ENGINE":
    case "CANNOT_START":
      return refusal(500, TEXTS.engine, "NOMAD_INTERNAL_SERVER_ERROR");
    default:
      return refusal(500, TEXTS.unknown);
  }
}
