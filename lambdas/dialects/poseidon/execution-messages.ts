import type { LiveEnd } from "#protocol/live.ts";
import type { RunnerEnd } from "#protocol/runners.ts";
import type { LivePiece } from "../../live/live-sessions.ts";
import { TextStream } from "./text-stream.ts";

export type Message =
  | { type: "start" }
  | { type: "stdout" | "stderr"; data: string }
  | { type: "exit"; data: number }
  | { type: "timeout" }
  | { type: "error"; data: string };

const ERRORS: Partial<Record<(LiveEnd & { type: "error" })["code"], string>> = {
  OOM_KILLED: "the allocation was OOM Killed",
  STOPPED: "the allocation stopped as expected",
};

/** What a runner's end is for an execution there. */
const OF_RUNNERS: Partial<Record<RunnerEnd, LiveEnd>> = {
  deleted: { type: "error", code: "STOPPED", message: "" },
  replaced: { type: "error", code: "STOPPED", message: "" },
  oom: { type: "error", code: "OOM_KILLED", message: "" },
  inactive: { type: "timeout" },
};

/**
 * The messages of an execution, in their order: the start, all output, one end.
 * @param whyGone why its runner is gone, as far as the ground knows: an edge that has forgotten it, or is not in
 *   contact, cannot say
 */
export async function* messagesOf(
  of: { output: AsyncIterable<LivePiece>; ended: Promise<LiveEnd> },
  whyGone: () => Promise<RunnerEnd | undefined>,
): AsyncGenerator<Message> {
  yield { type: "start" };
  const texts = { stdout: new TextStream(), stderr: new TextStream() };
  for await (const { stream, data } of of.output) {
    const text = texts[stream].add(data);
    if (text !== "") yield { type: stream, data: text };
  }
  const end = await explained(await of.ended, whyGone);
  // nothing goes before a timeout that did not come before the deadline
  if (end.type !== "timeout") {
    for (const stream of ["stdout", "stderr"] as const) {
      const text = texts[stream].end();
      if (text !== "") yield { type: stream, data: text };
    }
  }
  yield endMessage(end);
}

async function explained(end: LiveEnd, whyGone: () => Promise<RunnerEnd | undefined>): Promise<LiveEnd> {
  if (end.type !== "error" || (end.code !== "GONE" && end.code !== "UNREACHABLE")) return end;
  const why = await whyGone().catch(() => undefined);
  return (why && OF_RUNNERS[why]) ?? end;
}

function endMessage(end: LiveEnd): Message {
  if (end.type === "exit") return { type: "exit", data: end.code };
  if (end.type === "timeout") return { type: "timeout" };
  return { type: "error", data: ERRORS[end.code] ?? "Error executing the request" };
}
