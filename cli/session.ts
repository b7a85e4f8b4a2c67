import { type Command, InvalidArgumentError, Option } from "commander";
import { Client } from "./client.ts";
import { Credentials } from "./credentials.ts";
import { CliFailure, EXIT, usage } from "./failure.ts";
import { moment, wholeNumber } from "./options.ts";
import { Output } from "./output/output.ts";
import { parseDuration } from "./patience.ts";

const DEFAULT_WAIT_MS = 10 * 60_000;
export const DEFAULT_URL = "http://127.0.0.1:8080";

/** The global options of `perigee`, which every verb gets. */
export type Globals = {
  url?: string;
  edge?: string;
  json?: boolean;
  wide?: boolean;
  wait?: number | false;
  expires?: string;
  priority?: number;
};

export type Session = {
  client: Client;
  output: Output;
  credentials: Credentials;
  url: string;
  /** aborts on Ctrl-C and SIGTERM */
  signal: AbortSignal;
};

/** Adds the options that every verb takes. */
export function addGlobalOptions(program: Command): Command {
  return program
    .option("--url <url>", `address of the ground (default: PERIGEE_URL, else ${DEFAULT_URL})`)
    .option("--edge <edge>", "edge to use, when you have several")
    .option("--json", "results as JSON on stdout, everything else as JSON lines on stderr")
    .option("--wide", "do not cut tables to the width of the terminal")
    .addOption(
      new Option("--wait <time>", "how long to wait for a busy or unreachable edge")
        .argParser(waitOption)
        .default(DEFAULT_WAIT_MS, "10m"),
    )
    .addOption(
      new Option(
        "--expires <time>",
        "give up a command that the edge has not taken by then: ISO 8601, or +2h from now",
      ).argParser((text) => new Date(moment(text)).toISOString()),
    )
    .option("--priority <number>", "of a command: 0 to 9, where 9 goes first", wholeNumber(0, 9))
    .option("--no-wait", "do not wait: a busy edge is a failure (exit code 5)");
}

/**
 * Wraps the work of a verb as a commander action. `work` gets the session, the verb's arguments and all
 * options; it may return an exit code. Ctrl-C ends the waiting, never the command on the edge: the message says how
 * to find it.
 */
export function action<A extends unknown[], O extends object>(
  work: (session: Session, arguments_: A, options: O & Globals) => Promise<number | undefined>,
): (...all: unknown[]) => Promise<void> {
  return async (...all) => {
    const command = all.at(-1) as Command;
    const options = command.optsWithGlobals<O & Globals>();
    const stop = new AbortController();
    const onSignal = (signal: NodeJS.Signals) => stop.abort(signal);
    process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
    const url = groundUrl(options.url);
    const output = new Output(options.json === true, { wide: options.wide === true });
    const credentials = new Credentials();
    const waitMs = options.wait === false ? 0 : (options.wait ?? DEFAULT_WAIT_MS);
    const { edge, expires, priority } = options;
    const client = new Client({
      url,
      edge,
      expires,
      priority,
      waitMs,
      credentials,
      output,
      signal: stop.signal,
    });
    try {
      const session = { client, output, credentials, url, signal: stop.signal };
      process.exitCode = (await work(session, all.slice(0, -2) as A, options)) ?? EXIT.ok;
    } catch (error) {
      if (stop.signal.aborted) throw interrupted(stop.signal.reason, client);
      throw withCommand(error, client.current);
    } finally {
      output.clear();
      process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
    }
  };
}

/** `--url`, `PERIGEE_URL` or the default, without a slash at the end. @throws CliFailure USAGE */
export function groundUrl(option: string | undefined): string {
  const text = option || process.env.PERIGEE_URL || DEFAULT_URL;
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw usage(`${text} is not a URL`, `like this: --url ${DEFAULT_URL}`);
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") throw usage(`${text}: only http and https`);
  if (url.username || url.password)
    throw usage("the URL must not contain a user or password: use perigee login");
  return `${url.origin}${url.pathname}`.replace(/\/+$/, "");
}

function waitOption(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new InvalidArgumentError("A time looks like 90s, 10m or 1h30m.");
  return ms;
}

function interrupted(signal: unknown, { current: id, resumable }: Client): CliFailure {
  const goesOn = id
    ? `the command goes on. Follow it: perigee commands ${id} --follow; cancel it: perigee cancel ${id}`
    : "a command that the edge has taken goes on: perigee commands";
  return new CliFailure("INTERRUPTED_BY_USER", "interrupted", {
    exit: signal === "SIGTERM" ? EXIT.terminated : EXIT.interrupted,
    hint: resumable ?? goesOn,
    fields: id ? { command_id: id } : {},
  });
}

/** Adds to a lost connection which command was under way. */
function withCommand(error: unknown, id: string | undefined): unknown {
  if (!(error instanceof CliFailure) || !id || error.fields.command_id) return error;
  const { code, message, exit, hint, fields } = error;
  return new CliFailure(code, message, {
    exit,
    hint,
    cause: error.cause,
    fields: { ...fields, command_id: id },
  });
}
