import { DIALECTS, NAMED_DIALECTS } from "#lambdas/dialects/index.ts";
import type { GroundOutputs } from "../../../scripts/cloud/deployment.ts";

/** The cloud that the tests are run against; the global setup gives it to them. */
export type Deployed = {
  /** of the API on this machine */
  url: string;
  /** of the emulator */
  endpoint: string;
  outputs: GroundOutputs;
};

/** What is deployed for the tests: every dialect, those too that are on only where they are named. */
export const CONTEXT = {
  dialects: [...DIALECTS, ...NAMED_DIALECTS].map(({ name }) => name).join(),
};

/** Where `npm run test:cloud` says what it has brought up, as JSON. */
export const DEPLOYED_ENV = "PERIGEE_DEPLOYED";

declare module "vitest" {
  interface ProvidedContext {
    deployed: Deployed;
  }
}
