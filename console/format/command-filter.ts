import type { Command } from "../api/types.ts";
import { operationWord, subject } from "./operations.ts";

export type Filter = { state: string; operation: string; text: string };
export const NO_FILTER: Filter = { state: "", operation: "", text: "" };
const UNDER_WAY = ["staging", "queued", "running"];

/** Is it one of those that a filter leaves? `open` stands for the states that are not the end. */
export function passes(command: Command, { state, operation, text }: Filter): boolean {
  if (state === "open" ? !UNDER_WAY.includes(command.state) : state && command.state !== state) return false;
  if (operation && command.operation !== operation) return false;
  const words = text.trim().toLowerCase();
  if (!words) return true;
  const about = [command.command_id, operationWord(command.operation), subject(command.input)];
  if (command.error) about.push(command.error.code, command.error.message);
  return about.some((one) => one.toLowerCase().includes(words));
}
