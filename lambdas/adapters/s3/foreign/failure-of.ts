import { ForeignBucketFailed } from "../../../ports/foreign-buckets.ts";

/** An error of the SDK, or of a connection, without any text of the server's: that may repeat the keys. */
export function failureOf(error: unknown): ForeignBucketFailed {
  if (error instanceof ForeignBucketFailed) return error;
  const { name, code, $metadata } = error as {
    name?: unknown;
    code?: unknown;
    $metadata?: { httpStatusCode?: number };
  };
  const status = $metadata?.httpStatusCode;
  if (status === 401 || status === 403 || REFUSALS.includes(String(name))) {
    return new ForeignBucketFailed("refused", "it refuses these keys");
  }
  if (name === "NoSuchBucket") return new ForeignBucketFailed("failed", "it has no such bucket");
  if (status !== undefined && status >= 300) {
    return new ForeignBucketFailed("failed", `it answers with status ${status}`);
  }
  const why = [code, name].map(String).find((word) => WORD.test(word));
  return new ForeignBucketFailed(
    "failed",
    `it cannot be reached, or broke off${why === undefined ? "" : ` (${why})`}`,
  );
}

const REFUSALS = ["AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"];
/** Names of errors of Node's and of TLS: `ECONNRESET`, `DEPTH_ZERO_SELF_SIGNED_CERT`. */
const WORD = /^[A-Z][A-Z0-9_]{2,59}$/;
