import type { InputOf, OperationName, ResultOf } from "#protocol/operations.ts";
import { answerOf } from "../../commands/command-answer.ts";
import { readIdempotency } from "../../http/idempotency-key.ts";
import { readPrefer } from "../../http/prefer.ts";
import type { Command } from "../../ledger/command.ts";
import { FIRST_LANE } from "../../ledger/first-lane.ts";
import { busyToUser } from "./busy.ts";
import type { EmContext, EmDeps } from "./deps.ts";

export type Call<O extends OperationName> = {
  operation: O;
  /** scope of its Idempotency-Key (default: the operation's name) */
  route?: string;
  /** checked: nothing that is wrong with the request is found after this */
  input: InputOf<O>;
  /** What the input lacks, which only the edge meant tells; `asked` is all that the request says of it. */
  complete?: { asked: unknown; by: (edge: string, user: string) => Promise<InputOf<O>> };
  /** The contract's answer. `once`: nobody can ask for this result again, so what is staged of it may go. */
  respond: (result: ResultOf<O>, command: Command, once: boolean) => Response | Promise<Response>;
};

/** Does one operation on the user's edge and answers as the contract, `Prefer` and the key ask. */
export async function perform<O extends OperationName>(
  c: EmContext,
  deps: EmDeps,
  call: Call<O>,
): Promise<Response> {
  const user = c.get("user");
  const preferred = readPrefer(c.req.header("prefer"));
  const { operation, route = operation, complete, respond } = call;
  const key = c.req.header("idempotency-key");
  const order = await deps.orderOf(c, user);
  // before the edge: a bad request is 400 whatever edge it names
  readIdempotency(key, route, {});
  const edge = await deps.resolveEdge(user, c.req.header("perigee-edge"));
  const idempotency = readIdempotency(key, route, { edge, input: complete?.asked ?? call.input });
  const input = complete ? await complete.by(edge, user) : call.input;
  const { admission, wait } = preferred;
  const asked = { user, edge, lane: FIRST_LANE, operation, input, admission, wait };
  const answer = await deps.dispatch
    .run({ ...asked, ...order, ...(idempotency && { idempotency }) })
    .catch((error: unknown) => {
      throw busyToUser(error, user);
    });
  const once = wait.kind === "end" && !idempotency;
  return answerOf(deps, answer, preferred, (result, command) => respond(result, command, once));
}
