import { PerigeeError } from "#protocol/errors.ts";

/** An answer of the engine with an error status. */
export type EngineError = Error & { statusCode: number; json?: { message?: string } };

export function isEngineError(error: unknown, ...statuses: number[]): error is EngineError {
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  return typeof status === "number" && (statuses.length === 0 || statuses.includes(status));
}

/** What the engine said, without dockerode's words around it. */
export function engineMessage(error: EngineError): string {
  return (error.json?.message ?? error.message).trim();
}

/** Calls the engine. @throws PerigeeError ENGINE_UNAVAILABLE when there is no answer; the engine's own errors as they are */
export async function engineCall<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw isConnectionError(error) ? unavailable(error) : error;
  }
}

/** As {@link engineCall}; undefined for a status in `statuses`. */
export async function engineTry<T>(call: () => Promise<T>, ...statuses: number[]): Promise<T | undefined> {
  try {
    return await engineCall(call);
  } catch (error) {
    if (isEngineError(error, ...statuses)) return undefined;
    throw error;
  }
}

export function unavailable(cause: unknown): PerigeeError {
  return new PerigeeError("ENGINE_UNAVAILABLE", "The container engine does not answer", { cause });
}

const CONNECTION = ["ECONNREFUSED", "ECONNRESET", "ENOENT", "EACCES", "EPIPE", "ENOTFOUND", "ETIMEDOUT"];

export function isConnectionError(error: unknown): boolean {
  const { code, syscall } = (error ?? {}) as { code?: string; syscall?: string };
  if (code === undefined || isEngineError(error)) return false;
  // a file that is not there is ENOENT too, but never of a connect
  if (code === "ENOENT" || code === "EACCES") return syscall === "connect";
  return CONNECTION.includes(code);
}
