/**
 * Calls `then` after `ms`, once what had arrived by then was read: where the process was held up, Node's timers come
 * first, and an answer that is there would count as late.
 *
 * @returns takes it back
 */
export function afterInput(ms: number, then: () => void): () => void {
  let late: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => {
    late = setImmediate(then);
  }, ms);
  return () => {
    clearTimeout(timer);
    clearImmediate(late);
  };
}
