import { acceptedId, readJson } from "../client.ts";
import { followToSuccess } from "../follow.ts";
import type { Answer } from "../http/call.ts";
import { followRows } from "../log-rows.ts";
import { safe } from "../output/text.ts";
import type { Session } from "../session.ts";

/** Follows a build to its end, with what it writes on stderr as it comes. @throws CliFailure for any end but success */
export async function followBuild({ client, output }: Session, answer: Answer): Promise<void> {
  const id = acceptedId(answer, await readJson(answer));
  let over = false;
  const rows = followRows(client, id, client.patience(), {
    isOver: () => over,
    async show(rows) {
      if (rows.length === 0) return;
      output.clear();
      const text = rows.map((row) => (output.json ? JSON.stringify({ log: row.text }) : safe(row.text)));
      process.stderr.write(`${text.join("\n")}\n`);
    },
  });
  try {
    await followToSuccess(client, id, client.patience());
  } finally {
    over = true;
    // the log is a help; the command says how it ended
    await rows.catch(() => undefined);
  }
}
