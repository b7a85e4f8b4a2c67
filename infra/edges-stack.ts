import { createHash } from "node:crypto";
import { type App, Stack, type StackProps } from "aws-cdk-lib";
import { Doorbell } from "./doorbell.ts";
import { EDGES_PER_STACK, type Settings } from "./settings.ts";

/** The doorbells of edges, separate from the ground: adding an edge changes neither its code nor its data. */
export class EdgesStack extends Stack {
  /** @throws Error over {@link EDGES_PER_STACK} edges */
  constructor(app: App, id: string, deployment: string, edges: string[], props: StackProps) {
    super(app, id, props);
    if (edges.length > EDGES_PER_STACK) {
      throw new Error(
        `${id} would have ${edges.length} edges; one stack holds ${EDGES_PER_STACK}: raise -c edgeStacks`,
      );
    }
    for (const edge of edges) new Doorbell(this, deployment, edge);
  }
}

/** The edges of each stack. An edge's stack depends only on its name, so that other edges do not move it. */
export function spread({ edges, edgeStacks }: Pick<Settings, "edges" | "edgeStacks">): string[][] {
  const stacks = Array.from({ length: edgeStacks }, (): string[] => []);
  for (const edge of edges) {
    const hash = createHash("sha256").update(edge).digest().readUInt32BE();
    stacks[hash % edgeStacks]!.push(edge);
  }
  return stacks;
}
