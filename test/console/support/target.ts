import type { Credentials } from "../../contract/support/target.ts";

export type ConsoleTarget = {
  url: string;
  user: Credentials;
  other: Credentials;
  /** the ground's data, where it is on this machine */
  data?: string;
  /** its signed URLs lead to another origin, that of its storage */
  storage?: boolean;
  /** where the browser of all tests is reached */
  browser: string;
};

declare module "vitest" {
  interface ProvidedContext {
    console: ConsoleTarget;
  }
}
