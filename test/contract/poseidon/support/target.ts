/** What the suite speaks to; the global setup gives it to the tests. */
export type PoseidonTarget = {
  /** of the API, without a slash at its end */
  url: string;
  /** tokens of two users of the same edge */
  token: string;
  other: string;
  /** a public image onboard in which runners can work */
  image: string;
  /** the ground's data, where it is this machine's, and the first user's name */
  data?: string;
  user?: string;
};

declare module "vitest" {
  interface ProvidedContext {
    poseidon: PoseidonTarget;
  }
}
