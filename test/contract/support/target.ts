/** A user of the deployment under test. */
export type Credentials = { name: string; password: string };

/** What the contract suite speaks to; the global setup gives it to the tests. */
export type Target = {
  /** without a slash at its end */
  url: string;
  user: Credentials;
  /** a second user of the same edge, who must not see anything of the first */
  other: Credentials;
  /** a public image onboard with a busybox in it */
  image: string;
  /** begins every name that this run makes: deployments may be in use, and tried twice at once */
  run: string;
};

declare module "vitest" {
  interface ProvidedContext {
    contract: Target;
  }
}

/**
 * Pods with the smallest max_duration that the wire knows. The global setup starts them before the first
 * test, the last file looks at their ends: nobody waits for that minute twice.
 */
export const LONG_RUNS = {
  /** ends by itself on SIGTERM, and notes in its volume that it was asked */
  graceful: "due",
  /** hears no SIGTERM: SIGKILL after the grace */
  deaf: "deaf",
  /** an image that is never there */
  missing: "never",
} as const;
