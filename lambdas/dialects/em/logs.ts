import { Readable } from "node:stream";
import { PerigeeError } from "#protocol/errors.ts";
import { booleanField, invalid, textField, wholeNumber } from "../../fields/form-values.ts";
import { podName } from "../../fields/names.ts";
import { readFields } from "../../fields/read-fields.ts";
import type { Fields } from "../../http/fields.ts";
import { SAFE_HEADERS } from "../../http/safe-headers.ts";
import type { PodKey } from "../../logs/pod-logs.ts";
import type { ReadLogOptions } from "../../logs/stored-logs.ts";
import type { EmContext, EmDeps } from "./deps.ts";
import { scheduledTime } from "./scheduled-time.ts";

/** GET /em/pod/logs: from what the agent pushed to the ground; takes no lock and reaches no edge. */
export async function podLogs(c: EmContext, deps: EmDeps): Promise<Response> {
  const user = c.get("user");
  const fields = await readFields(c, ["pod_name", "tail", "since", "previous", "follow"]);
  const pod = podName(fields);
  const previous = booleanField(fields, "previous", false);
  const follow = booleanField(fields, "follow", false);
  const options = readOptions(fields);
  const edge = await deps.resolveEdge(user, c.req.header("perigee-edge"));
  const of = { edge, user, pod };
  const known = (await deps.runs.find(of)).map(({ run }) => run);
  // ULIDs: the newest sorts last
  const ids = [...new Set([...known, ...(await deps.podLogs.runs(of))])].sort().reverse();
  const run = ids[previous ? 1 : 0];
  if (run === undefined) {
    throw new PerigeeError(
      "POD_NOT_FOUND",
      ids.length > 0
        ? `There is no run of ${pod} before the current one`
        : `A pod named ${pod} was never run`,
    );
  }
  const body = follow
    ? deps.podLogs.follow({ ...of, run }, { ...options, ended: () => hasEnded(deps, of, run) })
    : deps.podLogs.read({ ...of, run }, options);
  body.once("error", (error) => deps.log.error({ err: error, run }, "the log could not be read to its end"));
  return new Response(Readable.toWeb(body) as ReadableStream<Uint8Array>, {
    headers: {
      "content-type": "text/plain; charset=utf-8",
      ...SAFE_HEADERS,
    },
  });
}

/** ms kept for the last lines where the process's time is limited. */
const LAST_LINES_MS = 10_000;

/** A run that the ground knows no more brings no more log either. */
async function hasEnded(deps: EmDeps, of: PodKey, run: string): Promise<boolean> {
  if (deps.timeLeftMs && deps.timeLeftMs() < LAST_LINES_MS) return true;
  const now = (await deps.runs.find(of)).find((one) => one.run === run);
  return now === undefined || now.terminated;
}

function readOptions(fields: Fields): ReadLogOptions {
  const lines = textField(fields, "tail");
  const tail = lines === undefined || lines === "all" ? undefined : wholeNumber(lines, 0, 1_000_000_000);
  if (tail === undefined && lines !== undefined && lines !== "all") {
    throw invalid("tail", "must be a whole number of lines");
  }
  const time = textField(fields, "since");
  return {
    ...(tail !== undefined && { tail }),
    ...(time !== undefined && { since: readSince(time) }),
  };
}

/** An ISO time with a zone, seconds since 1970, or a time back from now such as `90s`, `10m`, `2h`. */
function readSince(text: string): number {
  const back = /^(\d{1,9})([smhd])$/.exec(text);
  if (back) {
    const unit = { s: 1, m: 60, h: 3600, d: 86_400 }[back[2]!]!;
    return Date.now() - Number(back[1]) * unit * 1000;
  }
  if (/^\d{1,11}(?:\.\d{1,9})?$/.test(text)) return Number(text) * 1000;
  return scheduledTime("since", text);
}
