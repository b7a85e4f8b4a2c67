import type { Credentials } from "../../contract/support/target.ts";

export type ConsoleTarget = {
  url: string;
  user: Credentials;
  other: Credentials;
  /** the ground's data */
  data: string;
  /** path of the browser */
  chromium: string;
};

declare module "vitest" {
  interface ProvidedContext {
    console: ConsoleTarget;
  }
}
