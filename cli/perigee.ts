import { Command, CommanderError } from "commander";
import { VERSION } from "#protocol/version.ts";
import { CliFailure, EXIT } from "./failure.ts";
import { Output } from "./output/output.ts";
import { addGlobalOptions } from "./session.ts";
import { registerCommands } from "./verbs/commands.ts";
import { registerCompletion } from "./verbs/completion.ts";
import { registerDownlink } from "./verbs/downlink.ts";
import { registerEdge } from "./verbs/edge.ts";
import { registerExec } from "./verbs/exec.ts";
import { registerFpga } from "./verbs/fpga.ts";
import { registerHub } from "./verbs/hub.ts";
import { registerImages } from "./verbs/images.ts";
import { registerInstance } from "./verbs/instance.ts";
import { registerKabuto } from "./verbs/kabuto.ts";
import { registerLog } from "./verbs/log.ts";
import { registerLogin } from "./verbs/login.ts";
import { registerLogs } from "./verbs/logs.ts";
import { registerLs } from "./verbs/ls.ts";
import { registerNodes } from "./verbs/nodes.ts";
import { registerOperatorVerbs } from "./verbs/operator.ts";
import { registerRm } from "./verbs/rm.ts";
import { registerRun } from "./verbs/run.ts";
import { registerRunners } from "./verbs/runners.ts";
import { registerSessions } from "./verbs/sessions.ts";
import { registerStatus } from "./verbs/status.ts";
import { registerStop } from "./verbs/stop.ts";
import { registerUnikImages } from "./verbs/unik-images.ts";
import { registerUplink } from "./verbs/uplink.ts";
import { registerVolumes } from "./verbs/volumes.ts";

/** The whole command tree. */
export function buildProgram(): Command {
  const program = new Command("perigee")
    .description("Files, images and pods on an edge computer that is hard to reach.")
    .version(VERSION)
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError("(perigee --help shows how)")
    .configureOutput({ writeErr: (text) => void (wantsJson() || process.stderr.write(text)) });
  addGlobalOptions(program);
  const registrations = [
    registerLogin,
    registerUplink,
    registerLs,
    registerDownlink,
    registerRm,
    registerImages,
    registerRun,
    registerStatus,
    registerLogs,
    registerLog,
    registerStop,
    registerExec,
    registerSessions,
    registerNodes,
    registerRunners,
    registerVolumes,
    registerCommands,
    registerUnikImages,
    registerInstance,
    registerHub,
    registerFpga,
    registerKabuto,
    registerEdge,
    registerOperatorVerbs,
    registerCompletion,
  ];
  for (const register of registrations) register(program);
  return program;
}

async function main(): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    // The reader of a pipe may close it (`| head`): end without an error, as other tools do.
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(EXIT.brokenPipe);
      throw error;
    });
  }
  try {
    await buildProgram().parseAsync();
  } catch (error) {
    exitWhenWritten(report(error));
  }
}

/** Prints what went wrong; returns the exit code. */
function report(error: unknown): number {
  const output = new Output(wantsJson());
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT.ok;
    const message = error.message.replace(/^error: /, "");
    if (output.json) output.failure(new CliFailure("USAGE", message, { hint: "perigee --help" }));
    return EXIT.usage;
  }
  if (error instanceof CliFailure) {
    output.failure(error);
    return error.exit;
  }
  const known = error as { code?: unknown; message?: unknown; stack?: unknown };
  const text = String(known?.message ?? error);
  const code = String(known?.code ?? "INTERNAL_ERROR");
  const failure = new CliFailure(code, text);
  output.failure(failure);
  if (process.env.PERIGEE_DEBUG) process.stderr.write(`${known?.stack}\n`);
  return failure.exit;
}

function exitWhenWritten(code: number): void {
  process.exitCode = code;
  process.stdout.write("", () => process.stderr.write("", () => process.exit(code)));
}

function wantsJson(): boolean {
  const end = process.argv.indexOf("--");
  return process.argv.slice(2, end < 0 ? undefined : end).includes("--json");
}

await main();
