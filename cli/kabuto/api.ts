import type { Attempt, Body, Client } from "../client.ts";
import { readJson } from "../client.ts";
import { CliFailure, EXIT } from "../failure.ts";
import { time } from "../output/text.ts";
import type { Patience } from "../patience.ts";

/** What each refusal of Kabuto's API is for the command: a refusal there is a text, and 200. */
const CODES: readonly (readonly [RegExp, string])[] = [
  [/^The queue is full/, "QUEUE_FULL"],
  [/^Too many requests at once/, "TOO_MANY_REQUESTS"],
  [/^Quota exceeded/, "QUOTA_EXCEEDED"],
  [/^Storage is full/, "STORAGE_FULL"],
  [/^No edge is granted/, "EDGE_NOT_FOUND"],
  [/update its agent$/, "UNSUPPORTED_OPERATION"],
  [/^Image not found$/, "IMAGE_NOT_FOUND"],
  [/not found$|does not exist$/, "JOB_NOT_FOUND"],
];
const AGAIN = ["QUEUE_FULL", "TOO_MANY_REQUESTS"];
const IDLE_MS = 5 * 60_000;

/**
 * One request to Kabuto's API, repeated where that is safe: GET and PUT, and POST under its Idempotency-Key. A full
 * queue is waited for.
 * @param key the Idempotency-Key of a POST
 * @throws CliFailure with the text of a refusal
 */
export async function ask(client: Client, attempt: Attempt, patience: Patience, key?: string): Promise<Body> {
  const headers = { ...attempt.headers, ...(key && { "Idempotency-Key": key }) };
  for (;;) {
    const body = await once(client, { idleMs: IDLE_MS, ...attempt, headers }, patience);
    if (typeof body.error !== "string" || typeof body.state === "string") return body;
    const failure = refused(body.error);
    const left = AGAIN.includes(failure.code) ? patience.blocked() : 0;
    if (left <= 0) throw failure;
    client.options.output.waiting(`${body.error}; waiting`, { waiting: failure.code });
    await patience.pause(Math.min(left, 2_000));
  }
}

async function once(client: Client, attempt: Attempt, patience: Patience): Promise<Body> {
  try {
    return await readJson(await client.whenFree(attempt, patience));
  } catch (error) {
    if (!(error instanceof CliFailure)) throw error;
    const { status } = error.fields;
    if (status === 400) throw new CliFailure("INVALID_PARAMETERS", error.message, { cause: error });
    if (status === 413) {
      const hint = "a ground takes attachments of 2 GiB and 1,000 files, behind a function URL of 4 MiB";
      throw new CliFailure("BODY_TOO_LARGE", "the attachments are too large for this ground", {
        hint,
        cause: error,
      });
    }
    if (status !== 404) throw error;
    const hint = "the operator switches it on: PERIGEE_DIALECTS";
    throw new CliFailure("NOT_FOUND", "this ground does not speak Kabuto's API", { hint, cause: error });
  }
}

/** {@link ask}, also while the ground does not answer, for as long as `--wait` allows. */
export async function askAgain(
  client: Client,
  path: string,
  wait: number,
  patience: Patience,
): Promise<Body> {
  const call = { method: "GET", path, idleMs: (wait + 30) * 1000 } as const;
  for (let tries = 0; ; tries++) {
    try {
      return await ask(client, call, patience);
    } catch (error) {
      const transient = error instanceof CliFailure && error.exit === EXIT.unreachable;
      if (!transient || patience.blocked() <= 0) throw error;
      client.options.output.waiting("the ground does not answer; the job goes on");
      await patience.again(tries);
    }
  }
}

/** `no contact since 12:31 UTC` where that is so; undefined while the edge is in contact. */
export async function lostContact(client: Client): Promise<string | undefined> {
  try {
    const { data } = await client.json({ method: "GET", path: "/edge", idleMs: 10_000 });
    const { contact } = data as { contact?: { state?: string; last?: string | null } };
    if (!contact?.state || contact.state === "ok") return undefined;
    return contact.last ? `no contact since ${clock(contact.last, Date.now())}` : "no contact yet";
  } catch (error) {
    // several edges, or none: then nothing is said of it
    if (error instanceof CliFailure) return undefined;
    throw error;
  }
}

/** `12:31 UTC`, with its date when that is a day or more ago. */
export function clock(iso: string, now: number): string {
  const [date = "", at = ""] = time(iso).split(" ");
  const minute = `${at.slice(0, 5)} UTC`;
  return now - Date.parse(iso) < 24 * 3600_000 ? minute : `${date} ${minute}`;
}

function refused(text: string): CliFailure {
  const code = CODES.find(([pattern]) => pattern.test(text))?.[1] ?? "REFUSED";
  const hint = HINTS[code];
  return new CliFailure(code, text, hint === undefined ? {} : { hint });
}

const HINTS: Record<string, string> = {
  QUEUE_FULL: "see what is queued: perigee kabuto jobs; cancel a job: perigee kabuto cancel JOB",
  QUOTA_EXCEEDED: "make room: jobs that you delete go with their attachments and results",
  JOB_NOT_FOUND: "see your jobs: perigee kabuto jobs",
};
