/** Exit codes of `perigee` (docs/cli.md lists them). */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  unauthorized: 3,
  notFound: 4,
  busy: 5,
  unreachable: 6,
  storage: 7,
  /** `run --wait-for-end`, `kabuto run`: pod or job ended with an exit code other than 0 */
  pod: 8,
  /** `exec --limit`: its time was over */
  timeLimit: 124,
  interrupted: 130,
  brokenPipe: 141,
  terminated: 143,
} as const;

/**
 * The failure of a verb: a code (of protocol/errors.ts, or one of the CLI's own: USAGE, NOT_LOGGED_IN,
 * GROUND_UNREACHABLE, CONNECTION_LOST, STILL_QUEUED, LOCAL_FILE, BAD_ANSWER,
 * TIME_LIMIT, those of a live session's end, UPLINK_ENDED, INTERRUPTED_BY_USER, JOB_NOT_FOUND, WINDOW_NOT_FOUND, REFUSED), what failed, and what to do next.
 */
export class CliFailure extends Error {
  override readonly name = "CliFailure";
  readonly code: string;
  readonly exit: number;
  readonly hint?: string;
  /** other fields of the answer: `data`, `log_tail`, `command_id` … */
  readonly fields: Record<string, unknown>;

  constructor(
    code: string,
    message: string,
    options: { exit?: number; hint?: string; fields?: Record<string, unknown>; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.exit = options.exit ?? exitOf(code);
    this.hint = options.hint ?? HINTS[code];
    this.fields = options.fields ?? {};
  }
}

const EXITS: Record<string, number> = {
  USAGE: EXIT.usage,
  INVALID_PARAMETERS: EXIT.usage,
  NOT_LOGGED_IN: EXIT.unauthorized,
  UNAUTHORIZED: EXIT.unauthorized,
  INVALID_CREDENTIALS: EXIT.unauthorized,
  LOCKED: EXIT.busy,
  QUEUE_FULL: EXIT.busy,
  STILL_QUEUED: EXIT.busy,
  TOO_MANY_REQUESTS: EXIT.busy,
  TOO_MANY_ATTEMPTS: EXIT.busy,
  DEADLINE_EXCEEDED: EXIT.busy,
  EM_UNREACHABLE: EXIT.unreachable,
  EXPIRED: EXIT.unreachable,
  UNREACHABLE: EXIT.unreachable,
  TOO_MANY: EXIT.busy,
  GROUND_UNREACHABLE: EXIT.unreachable,
  CONNECTION_LOST: EXIT.unreachable,
  QUOTA_EXCEEDED: EXIT.storage,
  STORAGE_FULL: EXIT.storage,
  INTERRUPTED_BY_USER: EXIT.interrupted,
};

/** The exit code for an error code; for an unknown code, the one for the HTTP status. */
export function exitOf(code: string, status = 0): number {
  const known = EXITS[code];
  if (known !== undefined) return known;
  if (code.endsWith("NOT_FOUND") || status === 404) return EXIT.notFound;
  if (status === 401) return EXIT.unauthorized;
  if (status === 423 || status === 429) return EXIT.busy;
  if (status === 502 || status === 503) return EXIT.unreachable;
  if (status === 507) return EXIT.storage;
  return EXIT.failed;
}

const HINTS: Record<string, string> = {
  UNAUTHORIZED: "log in again: perigee login",
  NOT_LOGGED_IN: "log in first: perigee login",
  LOCKED: "try again later, or wait longer with --wait",
  QUEUE_FULL: "see what is queued: perigee commands; cancel a command: perigee cancel ID",
  EM_UNREACHABLE: "see when it was last in contact: perigee edge",
  EXPIRED:
    "the edge never took the command, nothing was changed; try again when it is in contact: perigee edge",
  QUOTA_EXCEEDED: "make room: perigee rm, perigee rmi, perigee volumes rm",
  STORAGE_FULL: "make room: perigee rm, perigee rmi, perigee volumes rm; or ask the operator",
  FILE_NOT_FOUND: "see what is there: perigee ls",
  DELETE_FAILED: "see what is there: perigee ls",
  POD_NOT_RUNNING: "see its state: perigee status --pod NAME",
  LIVE_UNAVAILABLE: "see contact and features of the edge: perigee edge --json",
  POD_NOT_FOUND: "start one: perigee run IMAGE --node NODE --max-duration MINUTES",
  IMAGE_NOT_FOUND: "see your images: perigee images",
  VOLUME_NOT_FOUND: "see your volumes: perigee volumes",
  VOLUME_IN_USE: "stop the pod first: perigee stop --pod NAME",
  IMAGE_IN_USE: "stop the pod first: perigee stop --pod NAME",
  COMMAND_NOT_FOUND: "see your commands: perigee commands",
  EDGE_NOT_FOUND: "check --edge; the operator grants edges: perigee edge grant",
  MAX_UPLINK_SIZE_EXCEEDED: "send the files in several uplinks of at most 2 GB each",
  TOO_MANY_FILES: "send the files in several uplinks of at most 10,000 each, or as one tar",
  ILLEGAL_PATH: "paths are relative to the volume and stay inside it",
  INTERRUPTED: "the outcome is not known: check with perigee ls, perigee images or perigee status",
  GROUND_UNREACHABLE: "check --url or PERIGEE_URL, and that the ground server runs",
};

/** The command was called with wrong arguments. */
export function usage(message: string, hint?: string): CliFailure {
  return new CliFailure("USAGE", message, { hint });
}
