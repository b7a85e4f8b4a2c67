import { PerigeeError } from "#protocol/errors.ts";

/** An answer of the engine with an error status. */
export type EngineError = Error & { statusCode: number; json?: { message?: string } };

/** The status of the engine's answer; undefined when there was no answer. */
export function statusOf(error: unknown): number | undefined {
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  return typeof status === "number" ? status : undefined;
}

/** Did the engine answer with an error, and with one of `statuses` if any are given? */
export function isEngineError(error: unknown, ...statuses: number[]): error is EngineError {
  const status = statusOf(error);
  return status !== undefined && (statuses.length === 0 || statuses.includes(status));
}

/** The engine's own message, without dockerode's words around it; otherwise the error's text. */
export function messageOf(error: unknown): string {
  const said = (error as Partial<EngineError> | null)?.json?.message;
  return (said ?? (error instanceof Error ? error.message : String(error))).trim();
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

/** The status of the engine's answer when it is one of `statuses`, undefined when `work` succeeds. @throws every other error */
export async function ignoring(work: Promise<unknown>, ...statuses: number[]): Promise<number | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (isEngineError(error, ...statuses)) return error.statusCode;
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
