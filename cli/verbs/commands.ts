import { type Command, Option } from "commander";
import { STATES } from "#protocol/state.ts";
import { type Client, failureFrom, readJson } from "../client.ts";
import { type CommandView, failureOf } from "../command-view.ts";
import { CliFailure, EXIT, usage } from "../failure.ts";
import { fetchCommand, follow } from "../follow.ts";
import { stringifyExact } from "../json.ts";
import { query, wholeNumber } from "../options.ts";
import { record } from "../output/table.ts";
import { bytes, time } from "../output/text.ts";
import { action, type Session } from "../session.ts";
import { isWindow, windowText } from "../windows/window-text.ts";

type Options = { all?: boolean; limit: number; state?: string; follow?: boolean };

/** `perigee commands`, `perigee cancel`, `perigee hold` and `perigee release`. */
export function registerCommands(program: Command): void {
  program
    .command("commands")
    .description("list your commands, newest first, or show one")
    .argument("[id]", "ID of a command")
    .option("--all", "all of them, not only the newest")
    .option("--limit <count>", "how many, from the newest", wholeNumber(1, 200), 20)
    .addOption(new Option("--state <state>", "only those in this state").choices([...STATES]))
    .option("-f, --follow", "with an ID: wait until it has ended")
    .action(
      action<[string | undefined], Options>((session, [id], options) => {
        if (id !== undefined) return show(session, id, options);
        if (options.follow) throw usage("--follow needs the ID of a command");
        return list(session, options);
      }),
    );
  program
    .command("cancel")
    .description("cancel a command; a running one is stopped where that is still possible")
    .argument("<id>")
    .action(action<[string], object>((session, [id]) => cancel(session, id)));
  program
    .command("hold")
    .description("hold a command that waits: the edge does not get it until it is released")
    .argument("<id>")
    .action(action<[string], object>((session, [id]) => setHeld(session, id, "hold")));
  program
    .command("release")
    .description("release a held command: it waits again, as one that came just now")
    .argument("<id>")
    .action(action<[string], object>((session, [id]) => setHeld(session, id, "release")));
}

async function list({ client, output }: Session, options: Options): Promise<undefined> {
  const found: CommandView[] = [];
  const limit = options.all ? 200 : options.limit;
  let message: string | undefined;
  let before: string | undefined;
  do {
    const page = await client.json({
      method: "GET",
      path: `/commands${query({ limit, before, state: options.state })}`,
    });
    message = page.message;
    found.push(...((page.data ?? []) as CommandView[]));
    // A page may have fewer entries than asked for although there are more: only `next` tells.
    before = typeof page.next === "string" ? page.next : undefined;
  } while (before && (options.all || found.length < options.limit));
  const shown = options.all ? found : found.slice(0, options.limit);
  output.result({ message, data: shown }, () => {
    if (shown.length === 0) return "No commands";
    const rows = shown.map((c) => [c.command_id, c.operation, c.edge, standing(c), time(c.created_at)]);
    return output.table(["COMMAND", "OPERATION", "EDGE", "STATE", "CREATED"], rows, { cut: [1, 3] });
  });
}

async function show({ client, output }: Session, id: string, options: Options): Promise<number> {
  const command = options.follow
    ? await follow(client, id, client.patience())
    : await fetchCommand(client, id, 0);
  client.current = undefined;
  output.result({ message: "Successfully fetched command", data: command }, () => {
    const { result, input, error, progress } = command;
    return record({
      command: command.command_id,
      operation: command.operation,
      edge: command.edge,
      state: standing(command),
      progress:
        progress &&
        [progress.phase, progress.done, progress.total && `of ${progress.total}`, progress.unit]
          .filter((part) => part !== undefined)
          .join(" "),
      transfer: command.transfer && transferLine(command.transfer),
      priority: command.priority,
      attempts: command.attempts,
      created: time(command.created_at),
      queued: command.queued_at && time(command.queued_at),
      claimed: command.claimed_at && time(command.claimed_at),
      "cancel requested": command.cancel_requested_at && time(command.cancel_requested_at),
      ended: command.ended_at && time(command.ended_at),
      input: input === undefined ? undefined : stringifyExact(input),
      result: result === undefined ? undefined : stringifyExact(result),
      error: error && `${error.code}: ${error.message}`,
    });
  });
  if (!options.follow || command.state === "succeeded") return EXIT.ok;
  throw failureOf(command);
}

/** `1.2 MiB left, ends 20:44Z in a window until 20:50Z …`, as far as the plan tells. */
function transferLine({ bytes_left, ends_at, window }: NonNullable<CommandView["transfer"]>): string {
  const left = `${bytes(bytes_left)} left`;
  if (!ends_at || !isWindow(window)) return `${left}; no planned window tells when it ends`;
  return `${left}; ends about ${time(ends_at)} (${windowText(window, Date.now())})`;
}

async function cancel({ client, output }: Session, id: string): Promise<undefined> {
  let command = await requestCancel(client, id);
  const patience = client.patience();
  // The edge stops a running command: only its final state tells whether that was in time.
  if (command.state === "running" && patience.limitMs) command = await follow(client, id, patience);
  client.current = undefined;
  if (command.state === "succeeded" || command.state === "failed") {
    throw new CliFailure(
      "NOT_CANCELLABLE",
      `the command ended before it could be cancelled: ${command.state}`,
      {
        fields: { command_id: id, data: command },
      },
    );
  }
  const done = command.state !== "running";
  const text = done ? `Cancelled ${id}` : `The edge was asked to stop ${id}`;
  output.result({ message: done ? "Command cancelled" : "Cancel requested", data: command }, () => text);
}

async function requestCancel(client: Client, id: string): Promise<CommandView> {
  const answer = await client.send({ method: "POST", path: `/commands/${encodeURIComponent(id)}/cancel` });
  if (answer.status >= 300) throw await failureFrom(answer);
  return (await readJson(answer)).data as CommandView;
}

async function setHeld(
  { client, output }: Session,
  id: string,
  verb: "hold" | "release",
): Promise<undefined> {
  const body = await client.json({ method: "POST", path: `/commands/${encodeURIComponent(id)}/${verb}` });
  client.current = undefined;
  const done = verb === "hold" ? "Held" : "Released";
  output.result(body, () => `${done} ${id}: ${standing(body.data as CommandView)}`);
}

function standing({ state, position, contact, held }: CommandView): string {
  if (held === "user") return `${state} (held)`;
  if (held) return `${state} (${position ? `${position}, ` : ""}${held} held by the operator)`;
  if (state === "queued" && position) return `queued (${position})`;
  return contact === "lost" ? `${state} (out of contact)` : state;
}
