import { canMove, type State, type TerminalState } from "#protocol/state.ts";
import type { Command } from "./command.ts";

/** The command in another state. @throws Error when it cannot go there: a bug, never a user's doing */
export function moved(command: Command, to: State, rest: Partial<Command>): Command {
  if (!canMove(command.state, to)) {
    throw new Error(`command ${command.id} cannot go from ${command.state} to ${to}`);
  }
  return { ...command, ...rest, state: to };
}

/** The command at its end, `now` in ms since 1970. */
export function ended(
  command: Command,
  to: TerminalState,
  now: number,
  rest: Partial<Command> = {},
): Command {
  return moved(command, to, { ...rest, endedAt: now });
}
