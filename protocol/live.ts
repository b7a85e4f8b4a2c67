import * as z from "zod";

/**
 * Live sessions: byte streams between a user and what runs on the edge (docs/architecture.md). Never durable, never
 * repeated: a session ends with its connection. This file says what both sides agree on; it does no I/O.
 */

/** What the session works in: the run of a user's pod, or a runner. */
export const liveTarget = z.union([
  z.object({ pod: z.string().min(1).max(255), run: z.string().length(26) }),
  z.object({ runner: z.string().min(1).max(80) }),
]);
export type LiveTarget = z.infer<typeof liveTarget>;

/**
 * As whom: `own` is the container's own user, `user` the image's user named `user` (uid and gid 1000 with
 * `HOME=/workspace` where the image has none), `root` is root.
 */
export const actingUser = z.enum(["own", "user", "root"]);
export type ActingUser = z.infer<typeof actingUser>;

export const terminalSize = z.object({
  rows: z.number().int().min(1).max(65_535),
  columns: z.number().int().min(1).max(65_535),
});
export type TerminalSize = z.infer<typeof terminalSize>;

/** A program in the target. */
export const execParameters = z.object({
  argv: z.array(z.string()).min(1).max(4096),
  as: actingUser,
  /** beside the target's own variables; applied after privileges were dropped */
  env: z.record(z.string(), z.string()),
  /** default: the image's working directory; for a runner whose image has none, or `/`: `/workspace` */
  cwd: z.string().max(4096).optional(),
  /**
   * a terminal for stdin and stdout. `stderr`: apart from it, its newlines as a terminal writes them (`apart`), or
   * through the terminal (`merged`)
   */
  terminal: z.object({ size: terminalSize.optional(), stderr: z.enum(["apart", "merged"]) }).optional(),
  /** ms from the start of its process; 0 or less: over at once; absent: none */
  limitMs: z.number().optional(),
  /**
   * What ends a program whose time is over or whose user has gone. `quit`: 0x1C to the terminal, and when it has not
   * ended 3 s later, the runner is ended. `hangup`: SIGHUP to the terminal's group (SIGTERM without a terminal), SIGKILL
   * 3 s later; the target itself is never ended by it.
   */
  stop: z.enum(["quit", "hangup"]),
});
export type ExecParameters = z.infer<typeof execParameters>;

export const listParameters = z.object({
  path: z.string().max(4096),
  recursive: z.boolean(),
  as: actingUser,
});
export type ListParameters = z.infer<typeof listParameters>;

/** A regular file, links followed. */
export const readParameters = z.object({ path: z.string().max(4096), as: actingUser });
export type ReadParameters = z.infer<typeof readParameters>;

/**
 * First all of `remove`, then what comes as a tar on the session's input, both as root. `./*` alone is a glob; what is
 * not there is no error.
 */
export const writeParameters = z.object({ remove: z.array(z.string().max(4096)).max(10_000) });

export const liveRequest = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("exec"), exec: execParameters }),
  z.object({ kind: z.literal("list"), list: listParameters }),
  z.object({ kind: z.literal("read"), read: readParameters }),
  z.object({ kind: z.literal("write"), write: writeParameters }),
]);
/** What is asked of the target. `list`, `read` only read: they start with `open`; the others with `go`. */
export type LiveRequest = z.infer<typeof liveRequest>;

/** One entry of a listing, as `ls` shows it; entries come on stdout, one JSON text a line. */
export const fileEntry = z.object({
  name: z.string(),
  entryType: z.enum(["-", "d", "l", "p", "s", "c", "b"]),
  linkTarget: z.string().optional(),
  /** bytes */
  size: z.number(),
  /** seconds since 1970 */
  modificationTime: z.number().int(),
  /** nine characters such as `rwxr--r--`, with `s S t T`; `+` after them where there is an ACL */
  permissions: z.string(),
  owner: z.string(),
  group: z.string(),
});
export type FileEntry = z.infer<typeof fileEntry>;

/** Why a session ended without a result of its own. */
export const LIVE_FAILURES = [
  /** the whole runner or pod died of memory */
  "OOM_KILLED",
  /** the runner was deleted or replaced, the pod stopped */
  "STOPPED",
  /** the target is not there, or runs no more */
  "GONE",
  /** the file is missing, of another kind, or may not be read */
  "FILE_UNREADABLE",
  /** some files could not be written: the message has the tool's own words, at most 4 KiB */
  "COPY_FAILED",
  /** a program cannot be started: the message says why */
  "CANNOT_START",
  /** the engine or the cluster's API failed or did not answer */
  "ENGINE",
  /** the edge cannot do this at all, or its operator has switched it off */
  "UNSUPPORTED",
  /** a cluster with an old protocol cannot end a program's input without a terminal */
  "NO_END_OF_INPUT",
  /** no agent took the session in time, or contact was lost */
  "UNREACHABLE",
  /** a bound of sessions is reached */
  "TOO_MANY",
  /** too long: the session's own bound */
  "SESSION_TOO_LONG",
  /** the user has gone */
  "CANCELLED",
  "PROTOCOL",
] as const;
export type LiveFailure = (typeof LIVE_FAILURES)[number];

export const liveEnd = z.discriminatedUnion("type", [
  /** of a program: its code, 128 + n for a signal; of the other kinds 0 */
  z.object({ type: z.literal("exit"), code: z.number().int().min(0).max(255) }),
  /** the time limit, or the runner's inactivity timeout, is over */
  z.object({ type: z.literal("timeout") }),
  z.object({ type: z.literal("error"), code: z.enum(LIVE_FAILURES), message: z.string().max(8192) }),
]);
/** How a session ended: exactly one, after all output. */
export type LiveEnd = z.infer<typeof liveEnd>;

/** What the ground wants of an edge's live sockets; in the answers to claims and heartbeats. */
export const liveWish = z.object({
  /** sockets that should be open and wait, those that wait already included */
  sockets: z.number().int().min(0).max(256),
  /** address of the relay (`wss://…`), where it is another than the ground's own */
  url: z.string().max(2048).optional(),
});
export type LiveWish = z.infer<typeof liveWish>;
