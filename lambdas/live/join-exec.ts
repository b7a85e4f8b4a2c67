import * as z from "zod";
import { type LiveEnd, terminalSize } from "#protocol/live.ts";
import { userSignal } from "#protocol/live-control.ts";
import type { LiveControl, LiveSession } from "./live-sessions.ts";
import type { UserMessage, UserSocket } from "./sockets/user-socket.ts";

/** First bytes of the frames of `perigee.exec.v1`. */
const STDIN = 0;
const OUTPUT = { stdout: 1, stderr: 2 };
const CONTROL = 3;

const userControl = z.discriminatedUnion("type", [
  terminalSize.extend({ type: z.literal("resize") }),
  z.object({ type: z.literal("signal"), signal: userSignal }),
  z.object({ type: z.literal("eof") }),
]);

/** WebSocket's code for what breaks the protocol. */
const PROTOCOL_ERROR = 1002;

/**
 * Carries an execution between a user's socket (`perigee.exec.v1`) and its session, until one of them has ended. Each
 * side is read only as fast as the other takes it.
 */
export async function joinExec(user: UserSocket, session: LiveSession): Promise<void> {
  let broken = false;
  const close = () => session.close();
  user.gone.addEventListener("abort", close);
  if (user.gone.aborted) close();
  const input = takeInput(user, session).catch(() => {
    broken = true;
    user.close(PROTOCOL_ERROR);
    session.close();
  });
  // what has an end before it starts is told by its end alone
  const started = await Promise.race([session.started.then(() => true), session.ended.then(() => false)]);
  if (started) await user.send(control({ type: "started" }));
  for await (const { stream, data } of session.output) await user.send(frame(OUTPUT[stream], data));
  const end = await session.ended;
  if (!broken) {
    await user.send(control(shown(end)));
    user.close(1000);
  }
  user.gone.removeEventListener("abort", close);
  await input;
}

async function takeInput(user: UserSocket, session: LiveSession): Promise<void> {
  for await (const message of user.messages) {
    if (message.binary && message.data[0] === STDIN) await session.write(message.data.subarray(1));
    else await session.control(controlOf(message));
  }
}

/** @throws Error for what is not of this protocol */
function controlOf({ data, binary }: UserMessage): LiveControl {
  if (!binary || data[0] !== CONTROL) throw new Error("no frame of this protocol");
  const told = userControl.parse(JSON.parse(data.subarray(1).toString()));
  if (told.type !== "resize") return told;
  return { type: "resize", size: { rows: told.rows, columns: told.columns } };
}

function shown(end: LiveEnd): object {
  return end.type === "error" ? { type: "error", code: end.code, message: end.message } : end;
}

const control = (message: object) => frame(CONTROL, Buffer.from(JSON.stringify(message)));

function frame(kind: number, data: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([kind]), data]);
}
