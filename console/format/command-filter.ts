import type { Command } from "../api/types.ts";
import { dialectWord } from "./dialects.ts";
import { operationWord, subject } from "./operations.ts";

export type Filter = { state: string; operation: string; lane: string; text: string };
export const NO_FILTER: Filter = { state: "", operation: "", lane: "", text: "" };
const UNDER_WAY = ["staging", "queued", "running"];

/** Is it one of those that a filter leaves? `open` stands for the states that are not the end. */
export function passes(command: Command, { state, operation, lane, text }: Filter): boolean {
  if (state === "open" ? !UNDER_WAY.includes(command.state) : state && command.state !== state) return false;
  if (operation && command.operation !== operation) return false;
  if (lane && command.lane !== lane) return false;
  const words = text.trim().toLowerCase();
  if (!words) return true;
  const { command_id: id, operation: verb, lane: own, input } = command;
  const about = [id, operationWord(verb), subject(input), dialectWord(own)];
  if (command.error) about.push(command.error.code, command.error.message);
  return about.some((one) => one.toLowerCase().includes(words));
}
