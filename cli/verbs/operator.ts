import type { Command } from "commander";

/** The operator's verbs: they act on `PERIGEE_DATA`, not over HTTP. */
export function registerOperatorVerbs(_program: Command): void {}
