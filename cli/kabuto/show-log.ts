import { EXIT } from "../failure.ts";
import type { Session } from "../session.ts";
import { followJob, rowsOf, rowsOnStdout } from "./follow-job.ts";
import { findJob, placeOf, standing } from "./job.ts";

/** `perigee kabuto logs`: the rows that are kept of a job, and with `follow` those still to come. */
export async function showLog({ client, output }: Session, id: number, follow: boolean): Promise<number> {
  const patience = client.patience();
  const write = rowsOnStdout(output.json);
  if (follow) {
    const job = await followJob(client, placeOf(await findJob(client, id, patience)), patience, write);
    output.notice(`job ${id}: ${standing(job)}`, { job: id, state: job.state, response: job.response });
    return EXIT.ok;
  }
  for (let after = 0; ; ) {
    const rows = await rowsOf(client, id, after, 0, patience);
    await write(rows);
    const last = rows.at(-1);
    if (!last) return EXIT.ok;
    after = last.id;
  }
}
