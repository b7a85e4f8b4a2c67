import { acceptedId, type Body, type Client, failureFrom, readJson } from "./client.ts";
import { type CommandView, failureOf, hasEnded, operationWords } from "./command-view.ts";
import { CliFailure, EXIT } from "./failure.ts";
import { duration, time } from "./output/text.ts";
import type { Patience } from "./patience.ts";
import { isWindow, windowText } from "./windows/window-text.ts";

/**
 * Follows a command to its end, with progress bars, and returns it. `--wait` limits the time in which it is queued
 * or its edge is out of contact; while it runs, only the edge's own deadline does.
 * @throws CliFailure STILL_QUEUED or EM_UNREACHABLE when the wait is over (the command goes on)
 */
export async function follow(client: Client, id: string, patience: Patience): Promise<CommandView> {
  const { output } = client.options;
  client.current = id;
  let wait = 0;
  let lost = 0;
  for (let command: CommandView | undefined; ; ) {
    const before = performance.now();
    try {
      command = await fetchCommand(client, id, wait);
      lost = 0;
    } catch (error) {
      const transient = error instanceof CliFailure && error.exit === EXIT.unreachable;
      if (!transient || patience.blocked() <= 0) throw error;
      output.waiting("the ground does not answer; the command goes on", { command_id: id });
      await patience.again(lost++);
      continue;
    }
    if (hasEnded(command)) {
      output.clear();
      return command;
    }
    const running = command.state === "running" && command.contact !== "lost";
    if (running) {
      patience.moving();
      showProgress(client, command);
    } else {
      const left = patience.blocked();
      if (left <= 0) throw outOfPatience(command, patience.limitMs);
      output.waiting(await describeStanding(client, command), { command_id: id, state: command.state });
    }
    const unblocked = running ? Number.POSITIVE_INFINITY : patience.blocked() / 1000;
    // The answer comes at once when the command changes all the time, or when the server does not support `wait`.
    const quick = performance.now() - before < 100 && wait > 0;
    wait = Math.max(1, Math.min(running && output.live ? 2 : 20, Math.ceil(unblocked)));
    if (quick) await patience.pause(Math.min(250, patience.limitMs || 250));
  }
}

/** {@link follow}, but returns only a command that succeeded. @throws CliFailure for any other end */
export async function followToSuccess(client: Client, id: string, patience: Patience): Promise<CommandView> {
  const command = await follow(client, id, patience);
  if (command.state !== "succeeded") throw failureOf(command);
  client.current = undefined;
  return command;
}

/** The present state of a command; with `wait`, after its next change or that many seconds. */
export async function fetchCommand(client: Client, id: string, wait: number): Promise<CommandView> {
  const answer = await client.send({
    method: "GET",
    path: `/commands/${encodeURIComponent(id)}${wait ? `?wait=${wait}` : ""}`,
    idleMs: (wait + 30) * 1000,
  });
  if (answer.status >= 300) throw await failureFrom(answer);
  return (await readJson(answer)).data as CommandView;
}

/** Reads a 2xx that is not a download. A 202 is followed to its end, and `shape` makes the answer from its result. */
export async function settle(
  client: Client,
  answer: Parameters<typeof readJson>[0],
  patience: Patience,
  shape: (command: CommandView) => Body | Promise<Body>,
): Promise<Body> {
  const body = await readJson(answer);
  if (answer.status !== 202) return body;
  return shape(await followToSuccess(client, acceptedId(answer, body), patience));
}

function showProgress(client: Client, command: CommandView): void {
  const { output } = client.options;
  const { progress } = command;
  const label = progress?.phase ?? `${operationWords(command.operation)} runs on the edge`;
  output.step(label, { done: progress?.done ?? 0, total: progress?.total, unit: progress?.unit ?? "steps" });
}

/** Why a command does not run yet: asks the ground what its edge is busy with. */
async function describeStanding(client: Client, command: CommandView): Promise<string> {
  const what = operationWords(command.operation);
  if (command.contact === "lost") {
    const { window } = await edgeStanding(client);
    return `the edge is out of contact; ${what} goes on when it is back${window}`;
  }
  if (command.held === "user") return `${what} is held until you release it`;
  if (command.held) return `${what} is queued; its ${command.held} is held by the operator`;
  const ahead = (command.position ?? 1) - 1;
  const behind = ahead > 0 ? `; ${ahead} ahead of you` : "";
  const { text } = await edgeStanding(client);
  return `${what} is queued${behind}${text}`;
}

/** What the ground says of the edge: why it does nothing, and when it is expected. */
async function edgeStanding(client: Client): Promise<{ text: string; window: string }> {
  try {
    const { data } = await client.json({ method: "GET", path: "/edge", idleMs: 10_000 });
    const edge = data as {
      contact?: { state?: string };
      windows?: { present?: unknown; next?: unknown } | null;
      busy?: { since?: string; operation?: string; command_id?: string } | null;
    };
    const expected = edge.windows?.present ?? edge.windows?.next;
    const window = isWindow(expected)
      ? `; ${windowText(expected, Date.now(), client.options.output.live)}`
      : "";
    if (edge.contact?.state && edge.contact.state !== "ok")
      return { text: `; the edge is out of contact${window}`, window };
    if (!edge.busy) return { text: "", window };
    const busy = edge.busy.operation
      ? `${operationWords(edge.busy.operation)} of yours (${edge.busy.command_id})`
      : "others' command";
    const since = edge.busy.since ? ` since ${time(edge.busy.since)}` : "";
    return { text: `; CG2 is busy with ${busy}${since}`, window };
  } catch (error) {
    if (error instanceof CliFailure) return { text: "", window: "" };
    throw error;
  }
}

function outOfPatience(command: CommandView, limitMs: number): CliFailure {
  const id = command.command_id;
  const lost = command.contact === "lost";
  const after = limitMs ? ` after ${duration(limitMs)}` : "";
  return new CliFailure(
    lost ? "EM_UNREACHABLE" : "STILL_QUEUED",
    `${operationWords(command.operation)} is ${lost ? "running on an edge out of contact" : "still queued"}${after}`,
    {
      hint: `it goes on. Follow it: perigee commands ${id} --follow; cancel it: perigee cancel ${id}`,
      fields: { command_id: id },
    },
  );
}
