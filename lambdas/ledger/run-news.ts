/** Who waits in this process for news of a pod's runs. What another process records is not told. */
export class RunNews {
  readonly #waiting = new Map<string, Set<() => void>>();

  /** Something of this pod's runs was recorded. */
  tell(pod: string): void {
    for (const wake of this.#waiting.get(pod) ?? []) wake();
  }

  /** `promise` resolves when something is told, or by `cancel`; then nothing is left of it. */
  next(pod: string): { promise: Promise<void>; cancel: () => void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting = this.#waiting.get(pod) ?? new Set();
    this.#waiting.set(pod, waiting);
    const cancel = () => {
      waiting.delete(cancel);
      if (waiting.size === 0 && this.#waiting.get(pod) === waiting) this.#waiting.delete(pod);
      resolve();
    };
    waiting.add(cancel);
    return { promise, cancel };
  }
}
