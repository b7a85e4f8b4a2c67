import type { Credentials } from "../../support/target.ts";

/** What the suite speaks to; the global setup gives it to the tests. */
export type FpgaTarget = {
  /** without a slash at its end */
  url: string;
  /** of the object store, where the deployment has one */
  objectStore?: string;
  /** two users of the same edge, who have no FPGA images */
  user: Credentials;
  other: Credentials;
};

declare module "vitest" {
  interface ProvidedContext {
    fpga: FpgaTarget;
  }
}
