import { findProgram } from "../scripts/debian-packages.ts";

/** Path of a program that a peer needs. @throws Error that names it */
export function program(name: string): string {
  const found = findProgram(name);
  if (found) return found;
  throw new Error(`the peer needs ${name}`);
}
