import type { Command } from "commander";
import { settle } from "../follow.ts";
import { action, type Session } from "../session.ts";

/** `perigee nodes`: lists the nodes that pods can run on. */
export function registerNodes(program: Command): void {
  program
    .command("nodes")
    .description("list the nodes that pods can run on")
    .action(action<[], object>(nodes));
}

async function nodes({ client, output }: Session): Promise<undefined> {
  const patience = client.patience();
  const answer = await client.whenFree({ method: "GET", path: "/em/nodes/status" }, patience);
  const body = await settle(client, answer, patience, (command) => ({
    message: "Nodes retrieved successfully.",
    data: command.result?.nodes ?? [],
  }));
  output.result(body, () => {
    const list = (body.data ?? []) as { name: string; status: string }[];
    return output.table(
      ["NODE", "READY"],
      list.map(({ name, status }) => [name, READY[status] ?? status]),
    );
  });
}

const READY: Record<string, string> = { True: "yes", False: "no", Unknown: "unknown" };
