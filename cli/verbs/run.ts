import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import type { Client } from "../client.ts";
import { EXIT } from "../failure.ts";
import { settle } from "../follow.ts";
import {
  collect,
  minutes,
  moment,
  type VolumeOptions,
  variable,
  volumeFields,
  withVolume,
} from "../options.ts";
import { safe } from "../output/text.ts";
import { action, type Session } from "../session.ts";
import { quoteWord } from "../shell-words.ts";
import { type PodState, podStatus, stateLine } from "./status.ts";

type Options = VolumeOptions & {
  node: string;
  maxDuration: number;
  at?: string;
  port?: number[][];
  env?: [string, string][];
  arg?: string[];
  waitForEnd?: boolean;
  fpga?: string;
};

/** `perigee run`: runs an image as a pod. */
export function registerRun(program: Command): void {
  const verb = program
    .command("run")
    .description("run an image as a pod; a running pod of the same name is replaced")
    .argument("<image>", "an image of yours, or a public one on the edge")
    .argument(
      "[command...]",
      "after --: program and arguments, or one word with a command line for the shell",
    )
    .addOption(
      new Option("--node <kind>", "kind of node to run it on, in any letter case")
        .choices(["FPGA", "GPU", "MPU"])
        .argParser(String)
        .makeOptionMandatory(),
    )
    .requiredOption("--max-duration <minutes>", "stop the pod after so many minutes (30, 90m, 2h)", minutes)
    .option(
      "--at <time>",
      "start at this time (2025-05-22T12:10:00+02:00; without a zone: this machine's; +10m)",
      moment,
    )
    .option(
      "--fpga <image>",
      "FPGA image to program the node's device with: id, or name of an active one; `none`: none (default: the associated one)",
    )
    .option("--port <ports>", "port that your other pods may reach; repeatable, or 80,1999", collect(ports))
    .option(
      "-e, --env <key=value>",
      "environment variable; KEY alone passes on your own; repeatable",
      collect(variable),
    )
    .option("--arg <value>", "argument for the image's own program; repeatable", collect(String))
    .option("--wait-for-end", "wait until the pod has ended; exit code 8 when it failed");
  withVolume(verb).action(action<[string, string[]], Options>(run));
}

async function run(
  session: Session,
  [image, words]: [string, string[]],
  options: Options,
): Promise<number | undefined> {
  const { client, output } = session;
  const json = {
    image,
    node: options.node,
    max_duration: options.maxDuration,
    scheduled_time: options.at,
    fpga_image: options.fpga,
    ...commandFields(words, options.arg),
    ...volumeFields(options),
    ports: options.port?.flat(),
    envs: options.env && Object.fromEntries(options.env),
  };
  const patience = client.patience();
  const answer = await client.whenFree({ method: "POST", path: "/em/pod/run", json }, patience);
  const body = await settle(client, answer, patience, () => ({
    message: "Docker run scheduled successfully",
  }));
  if (!options.waitForEnd) {
    output.result(body, () => {
      const at = options.at ? `, to start at ${options.at}` : "";
      return `Scheduled ${safe(image)}${at}. Check it with: perigee status${podOption(options)}`;
    });
    return;
  }
  const state = await untilEnd(session, options);
  output.result({ message: body.message, data: { state } }, () => stateLine(state));
  return state.terminated?.exitCode === 0 ? EXIT.ok : EXIT.pod;
}

/**
 * Polls the status until the pod has ended. A busy edge is waited for as in any verb.
 */
async function untilEnd({ client, output, signal }: Session, options: Options): Promise<PodState> {
  for (let pause = 500; ; pause = Math.min(5_000, pause * 1.5)) {
    const state = await podStatus(client, options.pod);
    if (state.terminated) return state;
    output.waiting(`${options.pod ?? "pod"}: ${stateLine(state)}`, { state });
    await pauseFor(client, Math.max(pause, untilStart(options.at, signal)));
  }
}

/** A scheduled pod does not change before its time: until then it is polled once a minute. */
function untilStart(at: string | undefined, signal: AbortSignal): number {
  if (!at || signal.aborted) return 0;
  return Math.min(60_000, Math.max(0, Date.parse(at) - Date.now()));
}

function pauseFor(client: Client, ms: number): Promise<void> {
  return client.patience().pause(ms);
}

/**
 * Several words are a program with its arguments. One word is a command line that the edge splits, or passes to a
 * shell when it contains shell characters. `--arg` alone keeps the image's own program.
 */
export function commandFields(words: string[], extra: string[] = []): { command?: string; args?: string[] } {
  const [program, ...rest] = words;
  const args = [...rest, ...extra];
  if (program === undefined) return args.length ? { args } : {};
  return args.length ? { command: quoteWord(program), args } : { command: program };
}

function podOption({ pod }: VolumeOptions): string {
  return pod ? ` --pod ${safe(pod)}` : "";
}

function ports(text: string): number[] {
  return text.split(",").map((part) => {
    const port = Number(part);
    if (!/^\d+$/.test(part) || port < 1 || port > 65535) {
      throw new InvalidArgumentError("A port is a number from 1 to 65535.");
    }
    return port;
  });
}
