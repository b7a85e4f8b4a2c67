import type { Command } from "commander";
import type { Client } from "../client.ts";
import { settle } from "../follow.ts";
import { query, wholeNumber, withPod } from "../options.ts";
import { safe, time } from "../output/text.ts";
import { action, type Session } from "../session.ts";

/** A Kubernetes container state: exactly one of the three is present. */
export type PodState = {
  waiting?: { reason?: string; message?: string };
  running?: { startedAt?: string };
  terminated?: {
    exitCode?: number;
    reason?: string;
    startedAt?: string | null;
    finishedAt?: string | null;
    message?: string;
  };
};
type Options = { pod?: string; watch?: boolean; interval: number };

/** `perigee status`: shows the state of a pod. */
export function registerStatus(program: Command): void {
  const verb = program.command("status").description("show the state of a pod");
  withPod(verb)
    .option("-w, --watch", "watch until the pod has ended, one line per change")
    .option("--interval <seconds>", "with --watch: seconds between two checks", wholeNumber(1, 3600), 3)
    .action(action<[], Options>(status));
}

async function status({ client, output }: Session, _: [], options: Options): Promise<undefined> {
  let before = "";
  for (;;) {
    const state = await podStatus(client, options.pod);
    const line = stateLine(state);
    if (line !== before) {
      output.result({ message: "Successfully fetched DPhi Pod status", data: { state } }, () => line);
    }
    before = line;
    if (!options.watch || state.terminated) return;
    await client.patience().pause(options.interval * 1000);
  }
}

/** The pod's state. @throws CliFailure POD_NOT_FOUND … */
export async function podStatus(client: Client, pod: string | undefined): Promise<PodState> {
  const patience = client.patience();
  const call = { method: "GET", path: `/em/pod/status${query({ pod_name: pod })}` } as const;
  const answer = await client.whenFree(call, patience);
  const body = await settle(client, answer, patience, (command) => ({ data: command.result }));
  return (body.data as { state?: PodState } | undefined)?.state ?? {};
}

/** A state in one line: "running since 2025-11-20 12:31:12Z". */
export function stateLine({ waiting, running, terminated }: PodState): string {
  if (running) return `running since ${time(running.startedAt)}`;
  if (waiting)
    return `waiting: ${safe(waiting.reason ?? "?")}${waiting.message ? `: ${safe(waiting.message)}` : ""}`;
  if (!terminated) return "unknown";
  const { exitCode, reason, startedAt, finishedAt, message } = terminated;
  const ran = startedAt ? `, ran from ${time(startedAt)} to ${time(finishedAt)}` : "";
  return `terminated: ${safe(reason ?? "?")}, exit code ${exitCode ?? "?"}${ran}${message ? `: ${safe(message)}` : ""}`;
}
