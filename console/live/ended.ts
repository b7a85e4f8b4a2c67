import { effect } from "@preact/signals";
import type { Command } from "../api/types.ts";
import { commands } from "./live.ts";

/** Waits until a command is known to have ended. */
export function ended(id: string): Promise<Command> {
  return new Promise((done) => {
    const stop = effect(() => {
      const command = commands.value.find((one) => one.command_id === id);
      if (!command || ["staging", "queued", "running"].includes(command.state)) return;
      queueMicrotask(() => stop());
      done(command);
    });
  });
}
