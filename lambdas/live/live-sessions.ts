import type { LiveEnd, LiveRequest, LiveTarget, TerminalSize } from "#protocol/live.ts";

/** What a session's user sends into it beside bytes. */
export type LiveControl =
  | { type: "resize"; size: TerminalSize }
  | { type: "signal"; signal: "SIGHUP" | "SIGTERM" | "SIGKILL" | "SIGINT" | "SIGQUIT" }
  | { type: "eof" };

export type LivePiece = { stream: "stdout" | "stderr"; data: Uint8Array };

/** The ground's end of one live session. Bounded on both sides by the channel's credit. */
export interface LiveSession {
  readonly id: string;
  /**
   * Resolves when the agent has begun (the process runs; for `read` with the file's size).
   * It rejects never: a session that could not begin has `ended` alone.
   */
  readonly started: Promise<{ size?: number } | undefined>;
  /** Bytes for stdin; resolves when more may be sent. Dropped after the end. */
  write(data: Uint8Array): Promise<void>;
  /** Resolves when the next may be sent. Dropped after the end. */
  control(control: LiveControl): Promise<void>;
  /** Output as it comes; ends before `ended` resolves. Must be read, or the session closed. */
  readonly output: AsyncIterable<LivePiece>;
  /** Exactly one end, after all output. Never rejects. */
  readonly ended: Promise<LiveEnd>;
  /** The user has gone: the agent ends what runs. May be called at any time, more than once. */
  close(): void;
}

/** A place among the open sessions, taken before what is done but once, so that a burst of calls cannot overrun a bound. */
export interface ReservedPlace {
  /** As {@link LiveSessions.open}, in this place. */
  open(request: LiveRequest): LiveSession;
  /** For whoever opens none; without effect once one was opened, or it was given back. */
  giveBack(): void;
}

/** Opens live sessions with edges. Only a server has it, and only the one that holds the relay record can open them. */
export interface LiveSessions {
  /** May sessions be opened by this server? */
  readonly isHere: boolean;
  /** Is there room for one more of this edge, user and target? */
  hasRoom(of: { user: string; edge: string; target: LiveTarget }): boolean;
  /** A place for one more of this edge, user and target; undefined: there is none. */
  reserve(of: { user: string; edge: string; target: LiveTarget }): ReservedPlace | undefined;
  /**
   * Always gives a session: what goes wrong is its end (UNREACHABLE at once without contact, or when no agent took it
   * within 30 s; TOO_MANY at a bound; UNSUPPORTED).
   */
  open(of: { user: string; edge: string; target: LiveTarget; request: LiveRequest }): LiveSession;
}
