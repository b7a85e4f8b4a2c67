/** Waits `ms`; less where the page comes into sight or goes out of it, or `signal` ends. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) return done();
    const over = new AbortController();
    const end = () => {
      clearTimeout(timer);
      over.abort();
      done();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end, { signal: over.signal });
    // whoever comes back wants to see how it is now
    document.addEventListener("visibilitychange", end, { signal: over.signal });
  });
}

/** Waits until the browser has nothing else to do; Safari does not tell. */
export function idle(): Promise<void> {
  return new Promise((done) => (globalThis.requestIdleCallback ?? setTimeout)(() => done()));
}
