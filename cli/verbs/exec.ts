import { once } from "node:events";
import { StringDecoder } from "node:string_decoder";
import { type Command, InvalidArgumentError } from "commander";
import { CliFailure, EXIT, usage } from "../failure.ts";
import { type ExecEnd, ExecSocket } from "../live/exec-socket.ts";
import { joinTerminal, sendStdin, terminalSize } from "../live/local-terminal.ts";
import { collect } from "../options.ts";
import { parseDuration } from "../patience.ts";
import { action, type Session } from "../session.ts";

type Options = {
  interactive?: boolean;
  tty?: boolean;
  env?: [name: string, value: string][];
  workdir?: string;
  limit?: number;
};

/** A runner's id: `<environment>-<uuid>`. Pods have no such names. */
const RUNNER = /^[0-9]+-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** `perigee exec`: runs a command in a running pod, or in a runner. Needs neither the edge's lock nor its queue. */
export function registerExec(program: Command): void {
  program
    .command("exec")
    .description("run a command in a running pod")
    .argument("<pod>", "pod, or id of a runner")
    .argument("[command...]", "the command and its words, after -- (default: /bin/sh)")
    .option("-i, --interactive", "send what stdin has to the command")
    .option("-t, --tty", "with a terminal, which must be one here too")
    .option("-e, --env <name=value>", "variable of the command (can be repeated)", collect(variable))
    .option("-w, --workdir <dir>", "directory in which it starts")
    .option("--limit <time>", "end it after this time, such as 90s or 2h", limit)
    .action(action<[string, string[]], Options>(exec));
}

async function exec(
  { client, output, signal }: Session,
  [pod, command]: [string, string[]],
  { interactive, tty, env = [], workdir, limit: limitMs }: Options,
): Promise<number> {
  if (tty && !process.stdin.isTTY) throw usage("-t: stdin is no terminal", "leave -t out in a pipe");
  client.resumable = "what it ran on the edge is ended with it";
  const path = `/${RUNNER.test(pod) ? "runners" : "pods"}/${encodeURIComponent(pod)}/exec`;
  const json = {
    ...(command.length > 0 && { command }),
    ...(tty && { tty, ...terminalSize() }),
    ...(env.length > 0 && { env: Object.fromEntries(env) }),
    ...(workdir !== undefined && { cwd: workdir }),
    ...(limitMs !== undefined && { limit_seconds: limitMs / 1000 }),
  };
  const { url } = await client.json({ method: "POST", path, json });
  if (typeof url !== "string") throw new CliFailure("BAD_ANSWER", "the answer names no address");
  const socket = await ExecSocket.open(url, signal);
  const leave = tty ? joinTerminal(socket) : () => {};
  try {
    if (interactive) sendStdin(socket).catch(() => {});
    else if (!tty) socket.tell({ type: "eof" });
    const show = output.json ? asJson() : asItIs;
    for await (const message of socket.messages()) {
      if (message.type === "end") {
        await show("stdout", undefined);
        await show("stderr", undefined);
        return exitCode(message.end);
      }
      if (message.type !== "started") await show(message.type, message.data);
    }
    return EXIT.failed;
  } finally {
    leave();
    socket.close();
    process.stdin.pause();
    process.stdin.unref?.();
  }
}

type Show = (stream: "stdout" | "stderr", data: Buffer | undefined) => Promise<void>;

const asItIs: Show = async (stream, data) => {
  if (data && !process[stream].write(data)) await once(process[stream], "drain");
};

/** Both streams as lines `{"stream":…,"data":…}` on stdout; characters stay whole. */
function asJson(): Show {
  const decoders = { stdout: new StringDecoder("utf8"), stderr: new StringDecoder("utf8") };
  return async (stream, bytes) => {
    const data = bytes ? decoders[stream].write(bytes) : decoders[stream].end();
    const line = data === "" ? "" : `${JSON.stringify({ stream, data })}\n`;
    if (line && !process.stdout.write(line)) await once(process.stdout, "drain");
  };
}

/** @throws CliFailure for anything but an exit */
function exitCode(end: ExecEnd): number {
  if (end.type === "exit") return end.code;
  if (end.type === "timeout")
    throw new CliFailure("TIME_LIMIT", "the time limit is over", { exit: EXIT.timeLimit });
  throw new CliFailure(end.code, end.message || "the execution has ended");
}

function variable(text: string): [name: string, value: string] {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("A variable looks like NAME=value.");
  return [text.slice(0, at), text.slice(at + 1)];
}

function limit(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms < 1) throw new InvalidArgumentError("A time looks like 90s, 10m or 1h30m.");
  return ms;
}
