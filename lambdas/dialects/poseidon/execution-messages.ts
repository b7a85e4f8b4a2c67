import type { LiveEnd } from "#protocol/live.ts";
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

/** The messages of an execution, in their order: the start, all output, one end. */
export async function* messagesOf(of: {
  output: AsyncIterable<LivePiece>;
  ended: Promise<LiveEnd>;
}): AsyncGenerator<Message> {
  yield { type: "start" };
  const texts = { stdout: new TextStream(), stderr: new TextStream() };
  for await (const { stream, data } of of.output) {
    const text = texts[stream].add(data);
    if (text !== "") yield { type: stream, data: text };
  }
  const end = await of.ended;
  // nothing goes before a timeout that did not come before the deadline
  if (end.type !== "timeout") {
    for (const stream of ["stdout", "stderr"] as const) {
      const text = texts[stream].end();
      if (text !== "") yield { type: stream, data: text };
    }
  }
  yield endMessage(end);
}

function endMessage(end: LiveEnd): Message {
  if (end.type === "exit") return { type: "exit", data: end.code };
  if (end.type === "timeout") return { type: "timeout" };
  return { type: "error", data: ERRORS[end.code] ?? "Error executing the request" };
}
