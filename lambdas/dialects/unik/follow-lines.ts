/** What keeps a silent connection from being taken for a closed one. */
const SIGN = Buffer.from([0]);
const LINE_FEED = 10;

/**
 * A log as it is followed: whole lines, each with its end, and one NUL byte after each `silenceMs` in which nothing
 * came. A last line without an end gets one when the log has ended.
 */
export async function* followLines(
  source: AsyncIterable<Uint8Array>,
  { first, silenceMs }: { first: string; silenceMs: number },
): AsyncGenerator<Buffer> {
  yield Buffer.from(first);
  let sentAt = performance.now();
  const pieces = source[Symbol.asyncIterator]();
  let held: Uint8Array[] = [];
  let next = pieces.next();
  try {
    for (;;) {
      // what is held until its line ends is not sent: pieces of a line do not make it less silent
      const left = sentAt + silenceMs - performance.now();
      const came = left > 0 ? await within(next, left) : undefined;
      if (came === undefined) {
        yield SIGN;
        sentAt = performance.now();
        continue;
      }
      if (came.done) break;
      next = pieces.next();
      const end = came.value.lastIndexOf(LINE_FEED) + 1;
      if (end > 0) {
        yield Buffer.concat([...held.splice(0), came.value.subarray(0, end)]);
        sentAt = performance.now();
      }
      if (end < came.value.length) held.push(came.value.subarray(end));
    }
    if (held.length > 0) yield Buffer.concat([...held, Buffer.from("\n")]);
  } finally {
    held = [];
    next.catch(() => {});
    await pieces.return?.();
  }
}

/** What comes within `ms`; undefined when nothing does. */
async function within<T>(coming: Promise<T>, ms: number): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, ms, undefined);
  try {
    return await Promise.race([coming, promise]);
  } finally {
    clearTimeout(timer);
  }
}
