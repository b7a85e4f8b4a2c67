import { joinKey, keptPrefix } from "../../ports/staging-key.ts";
import type { Owner } from "./owner.ts";

/** Everything that is kept of an account, ending in `/`: its name may be another account's later. */
export function keptOf({ user, uid }: Owner): string {
  return `${keptPrefix(user, "kabuto")}${joinKey(uid)}/`;
}

/** Where a job's attachments are, ending in `/`; `token` is its record's. */
export function inboxOf(owner: Owner, token: string): string {
  return `${keptOf(owner)}inbox/${joinKey(token)}/`;
}

/** Where the results of a job's runs are, ending in `/`. */
export function resultsOf(owner: Owner, job: number): string {
  return `${keptOf(owner)}results/${job}/`;
}

/** The zip of one run: of the command that ran it. */
export function resultKey(owner: Owner, job: number, command: string): string {
  return `${resultsOf(owner, job)}${joinKey(command)}`;
}

/** Where the outputs of builds that have ended are, ending in `/`, each under its build's id. */
export function outputsOf(owner: Owner): string {
  return `${keptOf(owner)}builds/`;
}
