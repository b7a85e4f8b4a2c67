import { inject } from "vitest";
import { Client } from "./client.ts";
import { logIn } from "./log-in.ts";
import type { Credentials } from "./target.ts";

export const target = inject("contract");

/** Without a token. */
export const nobody = new Client(target.url);

const sessions = new Map<string, Promise<Client>>();

/** The first user, logged in. */
export function user(): Promise<Client> {
  return session(target.user);
}

/** The second user, logged in. */
export function other(): Promise<Client> {
  return session(target.other);
}

/** A name that only this run uses. */
export function named(name: string): string {
  return `${target.run}-${name}`;
}

function session(who: Credentials): Promise<Client> {
  let opened = sessions.get(who.name);
  if (!opened) {
    opened = logIn(target.url, who);
    sessions.set(who.name, opened);
  }
  return opened;
}
