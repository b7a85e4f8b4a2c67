/** `work`, done at most once in `ms`; calls in between get what it gave. A failure is not kept. */
export function cachedFor<T>(ms: number, work: () => Promise<T>): () => Promise<T> {
  let last: { at: number; result: Promise<T> } | undefined;
  return () => {
    if (last && performance.now() - last.at < ms) return last.result;
    const made = { at: performance.now(), result: work() };
    last = made;
    made.result.catch(() => {
      if (last === made) last = undefined;
    });
    return made.result;
  };
}
