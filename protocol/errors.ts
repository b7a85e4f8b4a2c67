/**
 * Every error code of Perigee, with what it means and its HTTP status in Perigee's own API and the EM's. A status is
 * the business of an API's error shape (lambdas/http/errors.ts): another dialect's may be any other.
 * docs/errors.md is generated from this list and checked against it.
 */
export const ERRORS = {
  NO_FILES: [400, "The uplink holds no files, or its body is not a multipart form."],
  MAX_UPLINK_SIZE_EXCEEDED: [400, "The files of one uplink are over 2 GB (2 147 483 648 bytes) together."],
  TOO_MANY_FILES: [400, "One uplink carries more than 10,000 files."],
  INVALID_PARAMETERS: [400, "A field is missing or breaks its rule; the message names both."],
  SIZE_MISMATCH: [400, "The content is not as long as was declared for it."],
  CHECKSUM_MISMATCH: [400, "The content does not have the checksum that was declared for it."],
  DELTA_INVALID: [
    400,
    "The delta is none: its manifest names what cannot be, or its bytes are not those declared.",
  ],
  INVALID_PATH: [400, "The path names something that cannot be read as a file or directory."],
  DELETE_FAILED: [400, "There is nothing to delete at that path, or it could not be deleted."],
  SOURCES_REFUSED: [400, "The archive of sources or data cannot be unpacked; the message says why."],
  DATA_TOO_LARGE: [400, "The data does not fit into the size that the volume is to have."],
  HUB_NOT_ALLOWED: [400, "This ground does not speak to the hub of that URL."],
  BUILD_FAILED: [400, "The image build failed; `log_tail` holds the last 100 lines of its log."],
  IMAGE_LOAD_FAILED: [400, "The archive could not be loaded as that image; `log_tail` says why."],
  UNAUTHORIZED: [401, "The token is missing, malformed, expired or not for this use."],
  INVALID_CREDENTIALS: [401, "User name or password is wrong."],
  ILLEGAL_PATH: [403, "The path leads out of the volume."],
  HUB_REFUSED: [403, "The hub does not know that user and password."],
  SIGNATURE_INVALID: [403, "The signed URL was altered, is not for this, or has expired."],
  FOREIGN_ORIGIN: [403, "A web page of another host asked for a live session."],
  OPERATOR_ONLY: [403, "Only an operator of the edge may do this."],
  NOT_FOUND: [404, "There is no such route."],
  FILE_NOT_FOUND: [404, "There is no such file in the volume."],
  VOLUME_NOT_FOUND: [404, "The user has no such volume."],
  POD_NOT_FOUND: [404, "A pod of that name was never run."],
  IMAGE_NOT_FOUND: [404, "The user has no such image."],
  FPGA_IMAGE_NOT_FOUND: [404, "The user has no FPGA image of that id or name, or it has no log yet."],
  COMMAND_NOT_FOUND: [404, "The user has no such command."],
  UPLINK_NOT_FOUND: [404, "The user has no such upload in parts, or it has expired."],
  RUNNER_NOT_FOUND: [404, "The user has no such runner, or it has ended."],
  TICKET_NOT_FOUND: [404, "The address of a live session was used already, has expired, or never was one."],
  OBJECT_NOT_FOUND: [404, "The user has no such object in a bucket."],
  ACCESS_KEY_NOT_FOUND: [404, "The user has no such access key."],
  EDGE_NOT_FOUND: [404, "There is no such edge, or it is not granted to the user."],
  USER_NOT_FOUND: [404, "The operator named a user that does not exist."],
  METHOD_NOT_ALLOWED: [405, "The route exists, but not for this method."],
  DELTA_BASE_CHANGED: [
    409,
    "The edge's file is not the one that the delta was made for; nothing has changed.",
  ],
  VOLUME_EXISTS: [409, "The user has a volume of that name."],
  VOLUME_IN_USE: [409, "A pod that has not terminated uses the volume."],
  IMAGE_IN_USE: [409, "A pod that has not terminated runs the image."],
  FPGA_IMAGE_NOT_ACTIVE: [
    409,
    "The FPGA image that the run is to have is not active: the edge cannot load it.",
  ],
  POD_EXISTS: [409, "A pod of that name has not terminated, and the run was not to take its place."],
  POD_NOT_RUNNING: [409, "The pod does not run now: nothing can be executed in it."],
  UPLINK_INCOMPLETE: [409, "Parts of the upload are missing; `missing` names the first of them."],
  CANCELLED: [409, "The command was cancelled before it ended."],
  NOT_CANCELLABLE: [409, "The command has already ended, or is past the point where it can be undone."],
  NOT_HOLDABLE: [409, "The command does not wait in a queue: it has a place, runs, or has ended."],
  PLAN_CHANGED: [
    409,
    "The edge's plan of contact windows has another revision; `revision` is the present one.",
  ],
  ALREADY_EXISTS: [409, "The name is taken."],
  AMBIGUOUS_NAME: [409, "The text begins the names of several objects; the message names them."],
  WRONG_STATE: [409, "What is to be changed is not in the state that this needs; the message says which."],
  STALE_EPOCH: [409, "A newer agent serves this edge; what an older one says is refused."],
  BODY_TOO_LARGE: [413, "A body without files is over 1 MiB, or a command's parameters are over 192 KiB."],
  UNSUPPORTED_MEDIA_TYPE: [415, "The body is neither a form nor JSON."],
  RANGE_NOT_SATISFIABLE: [416, "The requested range lies outside the file."],
  EXPECTATION_FAILED: [417, "The Expect header asks for something other than 100-continue."],
  START_FAILED: [422, "The instance could not start; the message says why."],
  IDEMPOTENCY_KEY_REUSED: [422, "The Idempotency-Key was used for another request in the last 24 hours."],
  LOCKED: [423, "The edge is busy with another command, one is queued ahead, or its operator holds it."],
  QUEUE_FULL: [429, "The edge's queue (100, or 20 per user) is full."],
  TOO_MANY_REQUESTS: [429, "The user has too many requests open (200), waiting and streaming ones included."],
  TOO_MANY_SESSIONS: [429, "As many live sessions are open as there may be, of the user or on the edge."],
  TOO_MANY_ATTEMPTS: [429, "Too many failed log-ins from this address; wait as Retry-After says."],
  INTERNAL_ERROR: [500, "Something failed on our side; the cause is in the log under the command's id."],
  UNSUPPORTED_OPERATION: [501, "The edge's agent does not know the operation: it is older than the ground."],
  NOT_SUPPORTED: [501, "The edge cannot do what the run asks for; the message says what."],
  INTERRUPTED: [500, "The edge lost its journal while the command ran; its outcome is not known."],
  ENGINE_UNAVAILABLE: [500, "The container engine on the edge does not answer."],
  REGISTRY_UNAVAILABLE: [500, "The image registry on the edge does not answer, or refuses."],
  HUB_FAILED: [
    502,
    "The hub elsewhere cannot be reached, broke off, or holds what is none; the message says which.",
  ],
  EM_UNREACHABLE: [503, "The edge has not been in contact, or did not take the command in time."],
  LIVE_UNAVAILABLE: [
    503,
    "Live sessions are not to be had: the ground has no relay, or the edge is not in contact or does not offer them.",
  ],
  EXPIRED: [503, "The command was never taken by the edge and has expired."],
  DEADLINE_EXCEEDED: [504, "The command ran into its deadline and was stopped."],
  QUOTA_EXCEEDED: [
    507,
    "The user's byte quota over volumes, images and staging is used up, or too many of the user's pods have not terminated.",
  ],
  STORAGE_FULL: [507, "The disk of the ground or of the edge is at its free-space floor."],
} as const satisfies Record<string, readonly [status: number, meaning: string]>;

export type ErrorCode = keyof typeof ERRORS;

/** What a failed command carries: a code of {@link ERRORS}, a text for people, and fields for the answer. */
export type Failure = { code: ErrorCode; message: string; data?: Record<string, unknown> };

/** The one error class. `code` is stable, `data` is sent to the user beside it, `cause` only goes to the log. */
export class PerigeeError extends Error {
  override readonly name = "PerigeeError";
  readonly code: ErrorCode;
  readonly data?: Record<string, unknown>;

  constructor(
    code: ErrorCode,
    message: string,
    options: { data?: Record<string, unknown>; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.data = options.data;
  }

  /** HTTP status of the code. */
  get status(): number {
    return ERRORS[this.code][0];
  }

  toFailure(): Failure {
    return { code: this.code, message: this.message, ...(this.data && { data: this.data }) };
  }
}

/** An internal error: its cause is written to the log only. */
export const INTERNAL_ERROR: Failure = { code: "INTERNAL_ERROR", message: "Internal error" };

/** The failure of a command that threw `error`: a {@link PerigeeError} as it is, anything else INTERNAL_ERROR. */
export function failureOf(error: unknown): Failure {
  if (error instanceof PerigeeError) return error.toFailure();
  return INTERNAL_ERROR;
}

/** Is `code` one of {@link ERRORS}? */
export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === "string" && Object.hasOwn(ERRORS, code);
}
