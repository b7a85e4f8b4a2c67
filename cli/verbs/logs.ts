import { StringDecoder } from "node:string_decoder";
import { type Command, InvalidArgumentError } from "commander";
import { failureFrom } from "../client.ts";
import { networkFailure } from "../http/network-error.ts";
import { query, wholeNumber, withPod } from "../options.ts";
import { writeOut } from "../output/write-out.ts";
import { parseDuration } from "../patience.ts";
import { action, type Session } from "../session.ts";

type Options = { pod?: string; follow?: boolean; tail?: number; since?: string; previous?: boolean };

/** `perigee logs`: what a pod wrote to stdout and stderr. Needs neither the edge's lock nor contact. */
export function registerLogs(program: Command): void {
  const verb = program.command("logs").description("show what a pod wrote to stdout and stderr");
  withPod(verb)
    .option("-f, --follow", "follow the log until the pod has ended")
    .option("--tail <lines>", "only the last lines", wholeNumber(0))
    .option("--since <time>", "only what was written after: ISO 8601, or a time ago such as 10m", since)
    .option("--previous", "the log of the run before")
    .action(action<[], Options>(logs));
}

async function logs({ client, output, url, signal }: Session, _: [], options: Options): Promise<undefined> {
  const { pod, follow, tail, since, previous } = options;
  const path = `/em/pod/logs${query({ pod_name: pod, tail, since, previous, follow })}`;
  const answer = await client.send({
    method: "GET",
    path,
    headers: { Accept: "text/plain, application/json" },
  });
  if (answer.status !== 200) throw await failureFrom(answer);
  const show = output.json ? linesAsJson() : (chunk: Buffer | undefined) => chunk;
  try {
    for await (const chunk of answer.body as AsyncIterable<Buffer>) await writeOut(show(chunk));
  } catch (error) {
    throw signal.aborted ? error : networkFailure(error, url);
  }
  await writeOut(show(undefined));
}

/** Every line as `{"line": …}`, including a last one without a line break. */
function linesAsJson(): (chunk: Buffer | undefined) => string {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  return (chunk) => {
    const lines = (rest + (chunk ? decoder.write(chunk) : decoder.end())).split("\n");
    rest = lines.pop() ?? "";
    if (!chunk && rest) lines.push(rest);
    return lines.map((line) => `${JSON.stringify({ line })}\n`).join("");
  };
}

function since(text: string): string {
  const ago = parseDuration(text);
  if (ago !== undefined) return new Date(Date.now() - ago).toISOString();
  const date = new Date(text);
  if (Number.isNaN(date.getTime()))
    throw new InvalidArgumentError("A time looks like 2025-05-22T12:10:00Z or 10m.");
  return date.toISOString();
}
