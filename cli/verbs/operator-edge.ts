import { chmodSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import type { Command as LedgerCommand } from "#lambdas/ledger/command.ts";
import { FIRST_LANE } from "#lambdas/ledger/first-lane.ts";
import type { Ledger } from "#lambdas/ledger/ledger.ts";
import { isTerminal } from "#protocol/state.ts";
import { CliFailure } from "../failure.ts";
import { withNoted } from "../operator-audit.ts";
import { type GroundOptions, withLedger } from "../operator-data.ts";
import { lacksDoorbell } from "../operator-doorbell.ts";
import { action, type Session } from "../session.ts";

type TokenFile = GroundOptions & { tokenFile?: string };

const PUBLISH_WAIT_MS = 60_000;
const PUBLISH_POLL_MS = 250;

/**
 * `perigee edge add|list|token|grant|revoke|default|reset|publish`: the operator's verbs on edges.
 * @returns `perigee edge`
 */
export function registerOperatorEdge(program: Command): Command {
  const edge = program.commands.find((command) => command.name() === "edge") ?? program.command("edge");
  const verb = (name: string, text: string) =>
    edge
      .command(name)
      .description(`operator: ${text}`)
      .option("--data <directory>", "the ground's data (default: PERIGEE_DATA)")
      .option("--table <name>", "the ground's table in AWS (default: PERIGEE_TABLE)");
  const tokenFile = (command: Command) =>
    command.option("--token-file <file>", "write the agent's token there (mode 0600) instead of showing it");
  tokenFile(verb("add", "make an edge; its agent's token is shown this once"))
    .argument("<edge>")
    .action(action<[string], TokenFile>((session, [id], options) => issue(session, id, options, true)));
  tokenFile(verb("token", "make a new agent's token; the one before ends at once"))
    .argument("<edge>")
    .action(action<[string], TokenFile>((session, [id], options) => issue(session, id, options, false)));
  verb("list", "list edges, their contact and what they do").action(action<[], GroundOptions>(list));
  verb("grant", "let a user use an edge")
    .argument("<edge>")
    .argument("<user>")
    .action(
      action<[string, string], GroundOptions>((session, [id, user], options) =>
        change(
          session,
          options,
          ["edge grant", id, user],
          `${user} may use ${id}`,
          async ({ accounts, logins }) => accounts.grant(id, await logins.account(user)),
        ),
      ),
    );
  verb("revoke", "take an edge from a user")
    .argument("<edge>")
    .argument("<user>")
    .action(
      action<[string, string], GroundOptions>((session, [id, user], options) =>
        change(
          session,
          options,
          ["edge revoke", id, user],
          `${user} may not use ${id} any more`,
          async ({ accounts, logins }) => accounts.revoke(id, await logins.account(user)),
        ),
      ),
    );
  verb("default", "make an edge the one that is meant when a user names none")
    .argument("<edge>")
    .argument("<user>")
    .action(
      action<[string, string], GroundOptions>((session, [id, user], options) =>
        change(
          session,
          options,
          ["edge default", id, user],
          `${id} is ${user}'s default`,
          async ({ accounts, logins }) => accounts.setDefaultEdge(await logins.account(user), id),
        ),
      ),
    );
  verb("reset", "give up the commands that run on the edge; their outcome is not known")
    .argument("<edge>")
    .action(action<[string], GroundOptions>(reset));
  for (const name of ["hold", "release"] as const) {
    verb(
      name,
      name === "hold"
        ? "hold what waits on an edge: it takes commands, and runs none of them"
        : "let what waits on a held edge run",
    )
      .argument("<edge>")
      .option("--lane <lane>", "one lane of the edge only")
      .action(
        action<[string], GroundOptions & { lane?: string }>((session, [id], options) =>
          setHeld(session, id, options, name === "hold"),
        ),
      );
  }
  verb("publish", "make an image of the edge's engine public to all users")
    .argument("<edge>")
    .argument("[image]", "image; with one argument it is the image, on the only edge")
    .action(action<[string, string | undefined], GroundOptions>(publish));
  return edge;
}

async function issue(
  { output }: Session,
  id: string,
  { tokenFile, ...ground }: TokenFile,
  create: boolean,
): Promise<undefined> {
  const deed = { verb: create ? "edge add" : "edge token", about: [id] };
  const { token } = await withNoted(ground, create, deed, ({ accounts }) =>
    create ? accounts.addEdge(id) : accounts.rotateEdgeToken(id),
  );
  if (tokenFile) {
    writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
    // A file that was there keeps its mode.
    chmodSync(tokenFile, 0o600);
  }
  if (create && (await lacksDoorbell(ground, id))) {
    output.notice(
      `notice: ${id} has no doorbell queue yet: until -c edges of the deployment names it, its agent looks by itself`,
    );
  }
  const shown = tokenFile ? { token_file: tokenFile } : { token };
  output.result({ message: create ? "Edge added" : "Token made", data: { edge: id, ...shown } }, () =>
    [
      ...(create ? [`Added edge ${id}`] : []),
      tokenFile ? `Token of its agent: in ${tokenFile}` : `Token of its agent (shown this once): ${token}`,
    ].join("\n"),
  );
}

async function list({ output }: Session, _: [], ground: GroundOptions): Promise<undefined> {
  const edges = await withLedger(ground, false, async ({ accounts, ledger }) =>
    Promise.all(
      (await accounts.listEdges()).map(async ({ id, tokenCreatedAt }) => {
        const [lanes, beat, ok] = await Promise.all([
          ledger.edgeLanes(id),
          ledger.lastHeartbeat(id),
          ledger.inContact(id),
        ]);
        const all = [...lanes].map(([name, lane]) => ({ name, ...lane }));
        const holder = lanes.get(FIRST_LANE)?.running[0];
        return {
          edge: id,
          contact: beat ? (ok ? "ok" : "lost") : "never",
          last: beat ? new Date(beat.at).toISOString() : null,
          token: tokenCreatedAt !== undefined,
          busy: holder ? { command_id: holder.id, user: holder.user, operation: holder.operation } : null,
          queued: lanes.get(FIRST_LANE)?.queue.length ?? 0,
          held: all.some(({ held }) => held?.edge !== undefined),
          lanes: all.map(({ name, running, queue, held }) => ({
            name,
            running: running.length,
            queued: queue.length,
            held: held !== undefined,
          })),
        };
      }),
    ),
  );
  output.result({ message: "Edges", data: edges }, () =>
    output.table(
      ["EDGE", "CONTACT", "LAST", "BUSY", "QUEUED", "LANES"],
      edges.map((one) => [
        one.edge,
        one.token ? one.contact : "no token",
        one.last,
        one.busy ? `${one.busy.operation} of ${one.busy.user} (${one.busy.command_id})` : "no",
        one.queued,
        one.lanes
          .map(({ name, running, queued, held }) => `${name} ${running}+${queued}${held ? " held" : ""}`)
          .join(", "),
      ]),
      { right: [4], cut: [3] },
    ),
  );
}

async function change(
  { output }: Session,
  ground: GroundOptions,
  [verb, ...about]: [verb: string, ...about: string[]],
  message: string,
  work: Parameters<typeof withLedger<void>>[2],
): Promise<undefined> {
  await withNoted(ground, false, { verb, about }, work);
  output.result({ message }, () => message);
}

async function reset({ output }: Session, [id]: [string], ground: GroundOptions): Promise<undefined> {
  const deed = { verb: "edge reset", about: [id] };
  const commands = await withNoted(ground, false, deed, async ({ accounts, ledger }) => {
    await requireEdge(accounts, id);
    return ledger.resetEdge(id);
  });
  const lines = commands.map(
    (command) => `Gave up ${command.operation} ${command.id} of ${command.user}: ${command.state}`,
  );
  const message = lines.length > 0 ? lines.join("\n") : `Nothing runs on ${id}`;
  const [first] = commands;
  const data = {
    // as long as one command was all that an edge could run
    ...(first && { command_id: first.id, state: first.state }),
    commands: commands.map((command) => ({ command_id: command.id, state: command.state })),
  };
  output.result({ message, data }, () => message);
}

async function setHeld(
  { output }: Session,
  edge: string,
  { lane, ...ground }: GroundOptions & { lane?: string },
  hold: boolean,
): Promise<undefined> {
  const about = [edge, ...(lane === undefined ? [] : [`lane ${lane}`])];
  const deed = { verb: hold ? "edge hold" : "edge release", about };
  await withNoted(ground, false, deed, async ({ accounts, ledger }) => {
    await requireEdge(accounts, edge);
    const lanes = Object.keys(ledger.widths());
    if (lane !== undefined && !lanes.includes(lane)) {
      throw new CliFailure("USAGE", `there is no lane ${lane}: ${lanes.join(", ")}`);
    }
    await ledger.holdEdge({ edge, lane, hold });
  });
  const what = lane === undefined ? edge : `lane ${lane} of ${edge}`;
  const message = hold ? `Held ${what}` : `Released ${what}`;
  output.result({ message, data: { edge, ...(lane !== undefined && { lane }), held: hold } }, () => message);
}

async function publish(
  { output, signal }: Session,
  [first, second]: [string, string | undefined],
  ground: GroundOptions,
): Promise<undefined> {
  const { OPERATOR } = await import("#protocol/names.ts");
  const deed = { verb: "edge publish", about: [first, ...(second === undefined ? [] : [second])] };
  const ended = await withNoted(ground, false, deed, async ({ accounts, ledger }) => {
    const edges = await accounts.listEdges();
    if (second === undefined && edges.length !== 1) {
      throw new CliFailure("USAGE", `there are ${edges.length} edges: perigee edge publish EDGE IMAGE`);
    }
    const edge = second === undefined ? edges[0]!.id : first;
    await requireEdge(accounts, edge);
    const image = second ?? first;
    const draft = { user: OPERATOR, edge, operation: "edge.publish", input: { image } } as const;
    const { command } = await ledger.submit(draft, "queue");
    output.waiting(`waiting for ${edge} to take it`);
    return follow(ledger, command, signal);
  });
  if (ended.failure) throw new CliFailure(ended.failure.code, ended.failure.message);
  if (!isTerminal(ended.state)) {
    throw new CliFailure("STILL_QUEUED", `the edge has not done it yet: it stays queued (${ended.id})`);
  }
  output.result(
    { message: "Image published", data: { command_id: ended.id, state: ended.state } },
    () => "Published",
  );
}

/** The server that may run beside us rings no bell for this: the agent finds it when it next looks. */
async function follow(ledger: Ledger, command: LedgerCommand, signal: AbortSignal): Promise<LedgerCommand> {
  const until = performance.now() + PUBLISH_WAIT_MS;
  let now = command;
  while (!isTerminal(now.state) && performance.now() < until) {
    await sleep(PUBLISH_POLL_MS, undefined, { signal });
    now = await ledger.command(command.user, command.id);
  }
  return now;
}

async function requireEdge(accounts: { listEdges(): Promise<{ id: string }[]> }, id: string): Promise<void> {
  if ((await accounts.listEdges()).some((edge) => edge.id === id)) return;
  throw new CliFailure("EDGE_NOT_FOUND", `There is no edge ${id}`);
}
