import type { Command } from "commander";
import { safe, time } from "../output/text.ts";
import { action, type Session } from "../session.ts";

type Row = {
  id: string;
  edge: string;
  environment: number;
  state: string;
  since: unknown;
  end: string | null;
};

/** `perigee runners`: lists the user's runners. */
export function registerRunners(program: Command): void {
  program
    .command("runners")
    .description("list your runners, as last reported: needs no contact")
    .action(action<[], object>(runners));
}

async function runners({ client, output }: Session): Promise<undefined> {
  const body = await client.json({ method: "GET", path: "/runners" });
  output.result(body, () => {
    const list = (body.data ?? []) as Row[];
    return output.table(
      ["RUNNER", "ENVIRONMENT", "EDGE", "STATE", "SINCE"],
      list.map(({ id, environment, edge, state, since, end }) => [
        safe(id),
        String(environment),
        safe(edge),
        end ? `${safe(state)} (${safe(end)})` : safe(state),
        time(since),
      ]),
    );
  });
}
