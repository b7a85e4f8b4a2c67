/** Someone who is logged in, with an image that is built. */
export type Member = { login: string; password: string; cookie: string; image: number };

/** What the suite speaks to; the global setup gives it to the tests. */
export type KabutoTarget = {
  /** without a slash at its end */
  url: string;
  user: Member;
  /** a second user of the same edge, who must not see anything of the first */
  other: Member;
  /** a public image onboard with a busybox in it */
  base: string;
  /** begins every login that this run registers */
  run: string;
};

declare module "vitest" {
  interface ProvidedContext {
    kabuto: KabutoTarget;
  }
}
