/**
 * What an iterator gives as a web stream, only on demand.
 * @param cancel called when the reader cancels, also before anything was read and while the next piece is waited for
 */
export function iteratorStream(
  pieces: AsyncIterator<Uint8Array>,
  cancel: (reason: unknown) => void,
): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await pieces.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel,
    },
    { highWaterMark: 0 },
  );
}
