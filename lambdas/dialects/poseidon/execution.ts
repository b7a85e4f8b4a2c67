import type { RunnerEnd } from "#protocol/runners.ts";
import type { LiveSession } from "../../live/live-sessions.ts";
import type { UserSocket } from "../../live/sockets/user-socket.ts";
import { messagesOf } from "./execution-messages.ts";

/**
 * One execution between a client's socket and its session, until either ends.
 * @param whyGone why its runner is gone, as far as the ground knows
 */
export async function runExecution(
  socket: UserSocket,
  session: LiveSession,
  whyGone: () => Promise<RunnerEnd | undefined>,
): Promise<void> {
  const leave = () => session.close();
  socket.gone.addEventListener("abort", leave);
  if (socket.gone.aborted) leave();
  void feed(socket, session);
  for await (const message of messagesOf(session, whyGone)) {
    await socket.send(JSON.stringify(message));
  }
  socket.close(1000);
}

/** Texts are bytes for stdin. A binary frame ends the input: it and what follows are dropped. */
async function feed({ messages }: UserSocket, session: LiveSession): Promise<void> {
  let ended = false;
  for await (const { data, binary } of messages) {
    ended ||= binary;
    if (!ended) await session.write(data);
  }
}
