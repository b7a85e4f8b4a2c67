import { asAgentTakes } from "#protocol/older-agents.ts";
import { isTerminal } from "#protocol/state.ts";
import { removeUplinked } from "../dispatch/uplinked-files.ts";
import type { Command } from "../ledger/command.ts";
import type { EdgeAgent } from "../ledger/edge-agent.ts";
import type { AgentApiDeps } from "./deps.ts";

type Of = { edge: string; epoch: number; agent: Partial<EdgeAgent> };

/**
 * The commands that the agent can be given; `more`: others wait for the places that became free. Those that it cannot be given, which were submitted for an agent of a later version, or before
 * there was one, end as `UNSUPPORTED_OPERATION`: an agent leaves out fields that it does not know, and would delete an
 * image of that name outside of its name space, or start a run on an FPGA that nothing was loaded into.
 */
export async function servable(
  parts: AgentApiDeps,
  commands: Command[],
  of: Of,
): Promise<{ given: Command[]; more: boolean }> {
  const taken = (command: Command) => asAgentTakes(command, of.agent) !== undefined;
  const others = commands.filter((command) => !taken(command));
  const ends = await Promise.all(others.map((command) => end(parts, command, of)));
  return { given: commands.filter(taken), more: ends.some((more) => more) };
}

/** @returns whether another one waits for its place */
async function end(parts: AgentApiDeps, command: Command, { edge, epoch, agent }: Of): Promise<boolean> {
  if (isTerminal(command.state)) return true;
  const { id, user, lane, operation } = command;
  const version = agent.version === undefined ? "" : ` (version ${agent.version})`;
  const message = `The agent of edge ${edge}${version} cannot do ${operation} as it was asked for`;
  const { command: ended, more } = await parts.ledger.finish({ edge, id, user, lane, epoch }, async () => ({
    state: "failed",
    failure: { code: "UNSUPPORTED_OPERATION", message },
  }));
  parts.changes.changed(id, ended);
  parts.onEnd?.(ended);
  parts.log.warn({ edge, command: id, operation }, "a command that the agent cannot be given has ended");
  await removeUplinked(parts.staging, ended).catch((err: unknown) => {
    parts.log.warn({ err, command: id }, "staged files are left for the janitor");
  });
  return more;
}
