/** What `promise` gives, unless `signal` aborts first. @throws the signal's reason; what the promise throws */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  // after an abort nothing else handles its rejection
  promise.catch(() => {});
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
