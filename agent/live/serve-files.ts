import type { LiveRequest } from "#protocol/live.ts";
import { LIVE_LIMITS } from "#protocol/live-limits.ts";
import type { PodSessions } from "../sessions/pod-sessions.ts";
import type { OpenTarget } from "./live-target.ts";
import { endOf, endOfTarget } from "./session-ends.ts";
import type { SessionLeg } from "./session-leg.ts";

type FileRequest = Exclude<LiveRequest, { kind: "exec" }>;

const FILES_MS = 60 * 60_000;

/** Lists, reads or changes files for a session. Never throws: what goes wrong is the session's end. */
export async function serveFiles(
  sessions: PodSessions,
  { request, target, leg }: { request: FileRequest; target: OpenTarget; leg: SessionLeg },
): Promise<void> {
  const tooLong = AbortSignal.timeout(FILES_MS);
  const signal = AbortSignal.any([leg.gone, target.ended, tooLong]);
  const { run, defaultWorkdir } = target;
  const options = { signal, ...(defaultWorkdir !== undefined && { defaultWorkdir }) };
  try {
    if (request.kind === "list") {
      await giveList(sessions.list(run, request.list, options), leg);
    } else if (request.kind === "read") {
      const { size, content } = await sessions.read(run, request.read, options);
      leg.started(size);
      for await (const data of content) await leg.output("stdout", data);
    } else {
      leg.started();
      await sessions.change(run, { remove: request.write.remove, tar: leg.input() }, options);
    }
    leg.end({ type: "exit", code: 0 });
  } catch (error) {
    if (target.ended.aborted) leg.end(endOfTarget(target.ended));
    else if (tooLong.aborted) {
      leg.end({ type: "error", code: "SESSION_TOO_LONG", message: "the file operation took too long" });
    } else leg.end(endOf(error));
  }
}

/** One JSON text a line; several lines a frame, for a large tree has a million of them. */
async function giveList(entries: ReturnType<PodSessions["list"]>, leg: SessionLeg): Promise<void> {
  let text = "";
  let begun = false;
  for await (const entry of entries) {
    if (!begun) leg.started();
    begun = true;
    text += `${JSON.stringify(entry)}\n`;
    if (text.length < LIVE_LIMITS.frameBytes) continue;
    await leg.output("stdout", Buffer.from(text));
    text = "";
  }
  if (!begun) leg.started();
  if (text) await leg.output("stdout", Buffer.from(text));
}
