import { setTimeout as sleep } from "node:timers/promises";
import { type Failure, PerigeeError } from "#protocol/errors.ts";
import { killPoint } from "#protocol/kill-point.ts";
import type { InputOf, OperationName, ResultOf } from "#protocol/operations.ts";
import { answerOf } from "../../commands/command-answer.ts";
import type { Answer } from "../../dispatch/dispatch.ts";
import { type Preferred, readPrefer } from "../../http/prefer.ts";
import type { Command } from "../../ledger/command.ts";
import { unlessNoCommand } from "../../ledger/refusals.ts";
import { ConditionFailed, type Write } from "../../ports/ledger-store.ts";
import type { DialectCore } from "../core.ts";
import { NO_STORE } from "./answers.ts";
import type { Asked } from "./asked.ts";
import { errors } from "./errors.ts";
import { seenBy } from "./get-objects.ts";
import { turnWrites } from "./holdings.ts";
import { answerBy, earlierBy, type Keyed, keyedBy, keyWrite } from "./keyed.ts";
import { UNIK_LANE } from "./lane.ts";
import { keys, type OfCommand } from "./records.ts";
import type { RepeatRecord } from "./repeat-record.ts";

export type Seen = Awaited<ReturnType<typeof seenBy>>;

/** What is asked of the edge, with what is written of it in the same transaction. */
export type Plan<O extends OperationName> = {
  operation: O;
  input: InputOf<O>;
  of: OfCommand;
  /** see Draft.group */
  group?: string;
  writes?: (command: Command) => Write[];
};

/** The answer to what has succeeded, or was found to be so already. */
export type Respond<O extends OperationName> = (
  result: ResultOf<O>,
  command: Command,
) => Response | Promise<Response>;

/** Words a failure of the edge's (default: as it is). */
export type Reword = (failure: Failure) => Failure;

/** Something else was changed meanwhile. */
class Stale extends Error {}

/** What a call has made is there no more: who repeats that call means another. Thrown by {@link Respond}. */
export class Undone extends PerigeeError {
  constructor({ code, message }: PerigeeError) {
    super(code, message);
  }
}

/**
 * Decides by what the user has on the edge, asks the edge for what was decided, and answers. What is decided rests on
 * nothing that changes until it is written: else it is decided anew.
 * @param decide returns an answer where there is nothing to do; what it throws is the refusal
 */
export async function change<O extends OperationName>(
  asked: Asked,
  decide: (seen: Seen) => Plan<O> | Response | Promise<Plan<O> | Response>,
  respond: Respond<O>,
  reword: Reword = (failure) => failure,
): Promise<Response> {
  const preferred = preferredBy(asked);
  const order = await asked.core.orderOf(asked.c, asked.owner.user);
  const keyed = await keyedBy(asked);
  let isUndone = false;
  for (;;) {
    const earlier = keyed && (await earlierBy<O>(asked, keyed, preferred));
    if (earlier) return answered(asked, earlier, preferred, respond, reword);
    const [repeated, seen] = await Promise.all([asked.repeat?.earlier(), seenBy(asked)]);
    const joined = isUndone ? undefined : await repeatedAnswer<O>(asked, repeated, preferred);
    if (joined) {
      try {
        return await answered(asked, joined, preferred, respond, reword);
      } catch (error) {
        if (!(error instanceof Undone)) throw error;
        isUndone = true;
        continue;
      }
    }
    try {
      const plan = await decide(seen);
      if (plan instanceof Response) return plan;
      await requireContact(asked, preferred);
      const answer = await submit(asked, plan, { turn: seen.holdings.turn, keyed, order, ...preferred });
      return await answered(asked, answer, preferred, respond, reword);
    } catch (error) {
      if (!(error instanceof Stale || error instanceof ConditionFailed)) throw outOfContact(asked, error);
      await sleep(Math.random() * 20);
    }
  }
}

/** What is changed of the ground's records alone. @param decide as {@link change}'s; returns what is written */
export async function changeHere(
  asked: Asked,
  decide: (seen: Seen) => Write[] | Promise<Write[]>,
): Promise<void> {
  const { core, owner, repeat } = asked;
  for (;;) {
    const [repeated, seen] = await Promise.all([repeat?.earlier(), seenBy(asked)]);
    if (repeated) return;
    const writes = await decide(seen);
    await requireContact(asked, preferredBy(asked));
    try {
      const noted = repeat ? [repeat.write()] : [];
      await core.records.transact([...turnWrites(owner, seen.holdings.turn), ...noted, ...writes]);
      repeat?.written();
      killPoint("unik.changed");
      return;
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error;
      await sleep(Math.random() * 20);
    }
  }
}

/** The answer of the call that another process was asked for and that this one repeats. */
export async function repeatedAnswer<O extends OperationName>(
  asked: Pick<Asked, "core" | "owner">,
  repeated: RepeatRecord | undefined,
  { wait }: Preferred,
): Promise<Answer<O> | undefined> {
  if (repeated?.command === undefined) return undefined;
  // a reservation that came to nothing leaves no command
  return answerBy<O>(asked, repeated.command, wait).catch(unlessNoCommand);
}

/** How a call is admitted, and how long it waits: it always queues. */
export function preferredBy({ c, endsHere }: Pick<Asked, "c" | "endsHere">): Preferred {
  return { ...readPrefer(endsHere ? undefined : c.req.header("prefer")), admission: "queue" };
}

type How = {
  turn: number;
  keyed: Keyed | undefined;
  order: Awaited<ReturnType<DialectCore["orderOf"]>>;
};

async function submit<O extends OperationName>(
  { core, owner, repeat }: Asked,
  { operation, input, of, group, writes }: Plan<O>,
  { turn, keyed, order, admission, wait }: Preferred & How,
): Promise<Answer<O>> {
  const { user, edge } = owner;
  return core.dispatch.run<O>({
    user,
    edge,
    lane: UNIK_LANE.name,
    operation,
    input,
    admission,
    wait,
    patient: true,
    ...order,
    ...(group !== undefined && { group }),
    async records(command) {
      if (((await core.records.get(keys.turn(owner)))?.rev ?? 0) !== turn) throw new Stale();
      return [
        ...turnWrites(owner, turn),
        { put: { ...keys.command(command.id), data: of } },
        ...(keyed ? [keyWrite(keyed, command.id, core.now())] : []),
        ...(repeat ? [repeat.write(command.id)] : []),
        ...(writes?.(command) ?? []),
      ];
    },
    submitted: () => repeat?.written(),
  });
}

/** @throws EM_UNREACHABLE at once for a call that waits for its end, DEADLINE_EXCEEDED where the edge has not said how it ended */
export async function answered<O extends OperationName>(
  { c, core, owner }: Pick<Asked, "c" | "core" | "owner">,
  answer: Answer<O>,
  preferred: Preferred,
  respond: Respond<O>,
  reword: Reword = (failure) => failure,
): Promise<Response> {
  if (answer.kind === "accepted" && preferred.wait.kind === "end") {
    const { id, state } = answer.command;
    const text =
      state === "queued"
        ? `command ${id} waits for edge ${owner.edge}, which has not taken it yet`
        : `edge ${owner.edge} has taken this as command ${id} and has not answered yet`;
    throw new PerigeeError("DEADLINE_EXCEEDED", text, { data: { command: id } });
  }
  const shape: typeof errors = (failure, id) => errors(reword(failure), id, c.req.raw);
  const response = await answerOf({ log: core.log, shape }, answer, preferred, respond);
  response.headers.set("perigee-command", answer.command.id);
  // of a command that is only accepted as well
  response.headers.set("cache-control", NO_STORE);
  return response;
}

/** @throws EM_UNREACHABLE when who waits for the end would wait for an edge that is not there */
export async function requireContact(
  { core, owner }: Pick<Asked, "core" | "owner">,
  { wait }: Preferred,
): Promise<void> {
  if (wait.kind !== "end") return;
  await core.dispatch.requireContact(owner.edge).catch((error: unknown) => {
    throw outOfContact({ owner }, error);
  });
}

/** Words the refusal of an edge that did not take a command. */
export function outOfContact({ owner }: Pick<Asked, "owner">, error: unknown): unknown {
  if (!(error instanceof PerigeeError)) return error;
  if (error.code !== "EM_UNREACHABLE") return error;
  const text = `edge ${owner.edge} is out of contact; nothing was done`;
  return new PerigeeError(error.code, text, error.data ? { data: error.data } : {});
}
