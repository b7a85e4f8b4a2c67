import type { Credentials } from "../../contract/support/target.ts";

export type ConsoleTarget = {
  url: string;
  user: Credentials;
  other: Credentials;
  /** its signed URLs lead to another origin, that of its storage */
  storage?: boolean;
  /** path of the browser */
  chromium: string;
};

declare module "vitest" {
  interface ProvidedContext {
    console: ConsoleTarget;
  }
}
