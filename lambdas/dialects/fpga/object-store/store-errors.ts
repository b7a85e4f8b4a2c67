import { failureOf } from "#protocol/errors.ts";

/** Statuses of the codes of this protocol. */
const STATUSES = {
  AccessDenied: 403,
  BadDigest: 400,
  BucketNotEmpty: 409,
  EntityTooLarge: 400,
  IllegalLocationConstraintException: 400,
  InternalError: 500,
  InvalidAccessKeyId: 403,
  InvalidArgument: 400,
  InvalidBucketName: 400,
  InvalidDigest: 400,
  InvalidRange: 416,
  InvalidRequest: 400,
  MalformedXML: 400,
  MissingContentLength: 411,
  NoSuchBucket: 404,
  NoSuchKey: 404,
  NotImplemented: 501,
  QuotaExceeded: 403,
  RequestTimeTooSkewed: 403,
  ServiceUnavailable: 503,
  SignatureDoesNotMatch: 403,
  SlowDown: 503,
  TooManyBuckets: 400,
} as const;

export type StoreCode = keyof typeof STATUSES;

/** A refusal of the object store. */
export class StoreRefusal extends Error {
  readonly code: StoreCode;
  /** of the answer, beside those that every refusal has */
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: StoreCode,
    message: string,
    { headers = {}, ...options }: ErrorOptions & { headers?: Record<string, string> } = {},
  ) {
    super(message, options);
    this.code = code;
    this.headers = headers;
  }

  get status(): number {
    return STATUSES[this.code];
  }
}

/** Whatever was thrown, in the words of this protocol. */
export function refusalOf(error: unknown): StoreRefusal {
  if (error instanceof StoreRefusal) return error;
  const { code, message, data } = failureOf(error);
  const own = data?.refusal;
  if (typeof own === "string" && Object.hasOwn(STATUSES, own))
    return new StoreRefusal(own as StoreCode, message);
  switch (code) {
    case "QUOTA_EXCEEDED":
      return new StoreRefusal("QuotaExceeded", message);
    case "STORAGE_FULL":
      return new StoreRefusal("ServiceUnavailable", message);
    case "TOO_MANY_REQUESTS":
      return new StoreRefusal("SlowDown", message);
    case "BODY_TOO_LARGE":
      return new StoreRefusal("EntityTooLarge", message);
    case "RANGE_NOT_SATISFIABLE":
      return new StoreRefusal("InvalidRange", message);
    case "FILE_NOT_FOUND":
      return new StoreRefusal("NoSuchKey", "There is no such object");
    default:
      return new StoreRefusal("InternalError", "Internal error", { cause: error });
  }
}
