/** A promise to be settled by the test, for handlers that wait for it. */
export function gate(): { open(): void; readonly passed: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { open: () => resolve(), passed: promise };
}
