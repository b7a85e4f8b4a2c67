import { Client } from "../client.ts";
import { CliFailure, EXIT } from "../failure.ts";
import { collectFiles } from "../files/collect.ts";
import { bytes, fileCount } from "../output/text.ts";
import type { Patience } from "../patience.ts";
import type { Session } from "../session.ts";
import { quoteWord } from "../shell-words.ts";
import { ask } from "./api.ts";
import { fetchResults, mustBePlace, type Results } from "./fetch-results.ts";
import { followJob, rowsOnStdout, type WriteRows } from "./follow-job.ts";
import { attached, type ImageOptions, imageOf } from "./image-of.ts";
import { type Job, type JobPlace, pathOf, standing } from "./job.ts";

export type RunOptions = ImageOptions & {
  attach?: string[];
  maxDuration?: number;
  node?: string;
  output?: string;
  results?: boolean;
  key?: string;
};

const CANCEL_MS = 15_000;

/** `perigee kabuto run`: one job in a pipeline of its own, from its image to its unpacked results. */
export async function runJob(
  session: Session,
  [source, words]: [string, string[]],
  options: RunOptions,
): Promise<number> {
  const { client, output } = session;
  if (options.output !== undefined && options.results !== false) await mustBePlace(options.output);
  const patience = client.patience();
  const key = options.key ?? crypto.randomUUID();
  let place: JobPlace | undefined;
  try {
    const image = await imageOf(session, source, options, patience, key);
    place = await submitted(session, image, words, options, patience, key);
    if (patience.limitMs === 0) {
      output.result(
        { message: "Job submitted", data: { job: place.id, pipeline: place.pipeline } },
        () => `Submitted job ${place?.id}. Follow it: perigee kabuto logs -f ${place?.id}`,
      );
      return EXIT.ok;
    }
    output.notice(`job ${place.id} of pipeline ${place.pipeline}`, {
      job: place.id,
      pipeline: place.pipeline,
    });
    const job = await followJob(client, place, patience, output.json ? rowsAsNotices : rowsOnStdout(false));
    const results = await resultsOf(session, job, place, options);
    tell(session, job, results);
    return job.state === "done" && job.response === 0 ? EXIT.ok : EXIT.pod;
  } catch (error) {
    if (session.signal.aborted) {
      if (place) client.resumable = await onInterrupt(client, place);
      throw error;
    }
    throw withKey(error, key);
  }
}

/** Makes the pipeline with its job and submits it; each step once, however often it is asked for under this key. */
async function submitted(
  session: Session,
  image: number,
  words: string[],
  { attach = [], maxDuration, node, name }: RunOptions,
  patience: Patience,
  key: string,
): Promise<JobPlace> {
  const { client, output } = session;
  const files = attach.length > 0 ? await collectFiles(attach, (text) => output.notice(text)) : [];
  const pipeline = await idOf(
    ask(
      client,
      { method: "POST", path: "/pipeline", json: { name: name ?? "perigee kabuto run" } },
      patience,
      `${key}-pipeline`,
    ),
  );
  const fields = {
    image_id: String(image),
    command: commandOf(words),
    max_duration: maxDuration === undefined ? undefined : String(maxDuration),
    node,
  };
  const path = `/pipeline/${pipeline}/job`;
  const body = files.length > 0 ? { stream: attached(session, fields, files) } : { json: fields };
  const id = await idOf(ask(client, { method: "POST", path, ...body }, patience, `${key}-job`));
  await ask(client, { method: "POST", path: `/pipeline/${pipeline}/submit` }, patience, `${key}-submit`);
  output.clear();
  return { id, pipeline };
}

/** Several words are that program with those arguments; one word is the command as it is. */
export function commandOf(words: string[]): string | undefined {
  return words.length > 1 ? words.map(quoteWord).join(" ") : words[0];
}

async function idOf(asked: ReturnType<typeof ask>): Promise<number> {
  const { id } = await asked;
  if (typeof id === "number") return id;
  throw new CliFailure("BAD_ANSWER", "the answer has no id", {
    hint: "is --url the address of a Perigee ground?",
  });
}

async function resultsOf(
  session: Session,
  job: Job,
  place: JobPlace,
  { output, results }: RunOptions,
): Promise<Results | undefined> {
  if (results === false || job.state !== "done") return undefined;
  return fetchResults(session, place, output ?? `results-${job.id}`, false);
}

/** The log is on stdout, so how it ended is said beside it; with `--json` it is the result. */
function tell({ output }: Session, job: Job, results: Results | undefined): void {
  if (output.json) {
    output.result({ message: "Job ended", data: { job, results } }, () => "");
    return;
  }
  const where = results?.directory
    ? `; ${filesText(results)} in ${results.directory}`
    : results
      ? "; no results"
      : "";
  output.notice(`job ${job.id}: ${standing(job)}${where}`);
}

function filesText({ files, bytes: size }: Results): string {
  return `${fileCount(files)}, ${bytes(size)},`;
}

const rowsAsNotices: WriteRows = async (rows) => {
  process.stderr.write(rows.map((row) => `${JSON.stringify({ row })}\n`).join(""));
};

/** Cancels the job on SIGINT (Ctrl-C); on SIGTERM, as when a terminal closes, it runs on. @returns the message for the user */
async function onInterrupt(client: Client, place: JobPlace): Promise<string> {
  const go = `follow it: perigee kabuto logs -f ${place.id}; cancel it: perigee kabuto cancel ${place.id}`;
  if (client.options.signal.reason === "SIGTERM") return `job ${place.id} goes on. ${go}`;
  const own = new Client({ ...client.options, signal: AbortSignal.timeout(CANCEL_MS) });
  try {
    await ask(own, { method: "POST", path: `${pathOf(place)}/cancel` }, own.patience());
    return `job ${place.id} was cancelled: perigee kabuto jobs ${place.id}`;
  } catch (error) {
    const why = error instanceof CliFailure ? error.message : "the ground does not answer";
    return `job ${place.id} was not cancelled (${why}). ${go}`;
  }
}

/** What was lost on the way to the ground goes on under the same key. */
function withKey(error: unknown, key: string): unknown {
  if (!(error instanceof CliFailure) || error.exit !== EXIT.unreachable || error.fields.job) return error;
  const { code, message, exit, fields } = error;
  const hint = `the same command with --key ${key} goes on with this run instead of beginning another`;
  return new CliFailure(code, message, { exit, hint, fields, cause: error });
}
