import { PerigeeError } from "#protocol/errors.ts";
import { asAgentTakes } from "#protocol/older-agents.ts";
import { FIRST_OPERATIONS, type OperationName } from "#protocol/operations.ts";

/** What the agent of an edge said of itself when it started last. Written only then, together with its epoch. */
export type EdgeAgent = {
  /** of its software, e.g. `0.2.0` */
  version: string;
  /** names of the operations that it knows; absent from an agent of version 0.1 */
  operations?: string[];
  /** what else its version can do; absent from an agent of version 0.1 */
  features?: string[];
};

/** Names of the operations that `agent` can be given. */
export function operationsOf(agent: EdgeAgent): readonly string[] {
  return agent.operations ?? FIRST_OPERATIONS;
}

/**
 * Refuses what the edge's agent cannot do, under no name and in no shape of its version. An edge whose agent has never started refuses none:
 * what waits there is checked by the agent that comes.
 * @throws UNSUPPORTED_OPERATION
 */
export function requireOperation(
  edge: string,
  agent: EdgeAgent | undefined,
  command: { operation: OperationName; input: unknown },
): void {
  if (agent === undefined || asAgentTakes(command, agent) !== undefined) return;
  throw new PerigeeError(
    "UNSUPPORTED_OPERATION",
    `The agent of edge ${edge} (version ${agent.version}) cannot do ${command.operation} as it is asked for`,
  );
}
