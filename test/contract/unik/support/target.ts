import type { Credentials } from "../../support/target.ts";

/** What UniK's contract suite speaks to; the global setup gives it to the tests. */
export type UnikTarget = {
  /** of the API, without a slash at its end */
  url: string;
  /** of the ground itself */
  ground: string;
  user: Credentials;
  /** a second user of the same edge */
  other: Credentials;
  /** which runs what the tests about instances and volumes make */
  provider: string;
  /** name of the edge */
  edge: string;
  /** the API's own listener, where there is one */
  ownPort?: string;
  /** names of the compilers that the edge offered when the suite began */
  compilers: string[];
  /** languages whose tools the deployment was given for this run */
  tools?: string[];
  /** begins every name that this run makes */
  run: string;
};

declare module "vitest" {
  interface ProvidedContext {
    unik: UnikTarget;
  }
}
