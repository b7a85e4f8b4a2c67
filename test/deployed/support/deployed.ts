import type { GroundOutputs } from "../../../scripts/cloud/deployment.ts";

/** The cloud that the tests are run against; the global setup gives it to them. */
export type Deployed = {
  /** of the API on this machine */
  url: string;
  /** of the emulator */
  endpoint: string;
  outputs: GroundOutputs;
};

/** Where `npm run test:cloud` says what it has brought up, as JSON. */
export const DEPLOYED_ENV = "PERIGEE_DEPLOYED";

declare module "vitest" {
  interface ProvidedContext {
    deployed: Deployed;
  }
}
