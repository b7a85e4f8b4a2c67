/** Does dialects' background work in a process of its own, beside a ground whose processes live no longer than a request. */
export interface Worker {
  /** There may be something to do. It never throws and carries no truth: where it is lost, the janitor asks again. */
  wake(): Promise<void>;
}
