import { Readable } from "node:stream";
import type { DialectCore } from "../core.ts";
import { textAnswer } from "./answers.ts";
import { asOf } from "./as-of.ts";
import type { Asked, Handle } from "./asked.ts";
import { followLines } from "./follow-lines.ts";
import { seenBy } from "./get-objects.ts";
import { isTrue } from "./json-object.ts";
import { leaseOf } from "./lease.ts";
import { lookup } from "./lookup.ts";
import type { InstanceRecord } from "./records.ts";

/** ms without a line after which a byte says that the stream is still there */
const SILENCE_MS = 2500;
/** ms kept for the last lines where the process's time is limited */
const LAST_LINES_MS = 10_000;

/** `GET /instances/{x}/logs` */
export const getLogs: Handle = async (asked) => {
  const { c, core, owner, named, query } = asked;
  const { holdings, runs } = await seenBy(asked);
  const text = named.instance!;
  const follows = isTrue(query.get("follow")) || isTrue(query.get("fallow"));
  const takesAlong = follows && isTrue(query.get("delete"));
  const instance = lookup("instance", holdings.instances, text, takesAlong);
  const run = isTrue(query.get("previous")) ? await runBefore(core, owner, instance) : instance.run;
  const first = `getting logs for ${text}...\n`;
  const headers = await asOf(core, owner.edge);
  if (c.req.method === "HEAD") return textAnswer("", 200, headers);
  const of = { edge: owner.edge, user: owner.user, pod: instance.pod };
  if (!follows) {
    const log = run === undefined ? Readable.from([]) : core.podLogs.read({ ...of, run });
    return streamed(core, withFirst(first, log), headers);
  }
  const stop = new AbortController();
  const isKnown = runs.has(instance.run);
  const log =
    run === undefined
      ? Readable.from([])
      : core.podLogs.follow(
          { ...of, run },
          { ended: () => hasEnded(core, of, run, isKnown), signal: stop.signal },
        );
  const lease = takesAlong ? await leaseOf(asked, instance) : undefined;
  const lines = followLines(log, { first, silenceMs: SILENCE_MS });
  return streamed(core, lines, headers, {
    stop: () => stop.abort(),
    // for whatever reason it ended, before its first line too
    ended: () => lease?.end(),
  });
};

/** An instance that was started again keeps the log of its run before. */
async function runBefore(
  { podLogs, runs }: DialectCore,
  { edge, user }: Asked["owner"],
  { pod, run }: InstanceRecord,
): Promise<string | undefined> {
  const of = { edge, user, pod };
  const known = [...(await podLogs.runs(of)), ...(await runs.find(of)).map((one) => one.run)];
  return [...new Set(known)]
    .filter((one) => one < run)
    .sort()
    .at(-1);
}

/** What the ground knew and knows no more brings no more either; of what it does not know yet, all is still to come. */
async function hasEnded(
  { runs, timeLeftMs }: DialectCore,
  of: { edge: string; user: string; pod: string },
  run: string,
  isKnown: boolean,
): Promise<boolean> {
  if (timeLeftMs && timeLeftMs() < LAST_LINES_MS) return true;
  const now = (await runs.find(of)).find((one) => one.run === run);
  return now ? now.terminated : isKnown;
}

async function* withFirst(first: string, log: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield Buffer.from(first);
  yield* log;
}

type Ends = {
  /** ends what waits for more */
  stop?: () => void;
  /** told once, when nothing more is sent */
  ended?: () => Promise<void> | undefined;
};

function streamed(
  { log }: Pick<DialectCore, "log">,
  content: AsyncGenerator<Uint8Array>,
  headers: Record<string, string>,
  { stop, ended }: Ends = {},
): Response {
  let isCancelled = false;
  let ending: Promise<void> | undefined;
  // Not the generator's own: one that nobody has read from yet runs nothing when it is told to return.
  const end = () => {
    ending ??= Promise.resolve(ended?.()).catch((error: unknown) => {
      log.error({ err: error }, "what was to follow the end of a log failed");
    });
    return ending;
  };
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await content.next();
          if (done) await end();
          // whoever read it is gone, and with them the stream
          if (isCancelled) return;
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          log.error({ err: error }, "the log could not be read to its end");
          await end();
          controller.error(error);
        }
      },
      async cancel() {
        isCancelled = true;
        // first: a generator that waits cannot be told to return
        stop?.();
        await end();
        await content.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
  // never compressed: lines come as they are written
  return textAnswer(body, 200, { ...headers, "content-encoding": "identity" });
}
