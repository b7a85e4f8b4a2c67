import type { Credentials } from "../../contract/support/target.ts";

export type ConsoleTarget = {
  url: string;
  user: Credentials;
  other: Credentials;
  /** the ground's data, where it is on this machine */
  data?: string;
  /** origins beside the deployment's own to which its signed URLs lead (default none) */
  signed?: string[];
  /** path of the browser */
  chromium: string;
};

declare module "vitest" {
  interface ProvidedContext {
    console: ConsoleTarget;
  }
}
