import type { Command } from "commander";
import { bytes, time } from "../output/text.ts";
import { action, type Session } from "../session.ts";

type Noted = {
  kind: string;
  pod: string | null;
  runner: string | null;
  edge: string;
  began: string;
  ended: string | null;
  end: { type: string; code?: string } | null;
  bytes_in: number | null;
  bytes_out: number | null;
};

/** `perigee sessions`: begins and ends of live sessions of the last 7 days; their content is kept nowhere. */
export function registerSessions(program: Command): void {
  program
    .command("sessions")
    .description("list your live sessions of the last 7 days")
    .action(action<[], object>(sessions));
}

async function sessions({ client, output }: Session): Promise<undefined> {
  const body = await client.json({ method: "GET", path: "/sessions" });
  output.result(body, () => {
    const list = (body.data ?? []) as Noted[];
    if (list.length === 0) return "You had no live sessions";
    const rows = list.map(({ kind, pod, runner, edge, began, ended, end, bytes_in, bytes_out }) => [
      kind,
      pod ?? runner,
      edge,
      time(began),
      ended === null ? "open" : time(ended),
      end?.code ?? end?.type ?? "",
      bytes_in === null ? "" : bytes(bytes_in),
      bytes_out === null ? "" : bytes(bytes_out),
    ]);
    const headers = ["KIND", "POD", "EDGE", "BEGAN", "ENDED", "END", "IN", "OUT"];
    return output.table(headers, rows, { right: [6, 7], cut: [1] });
  });
}
