import { ERRORS } from "#protocol/errors.ts";
import type { InputOf, OperationName, ResultOf } from "#protocol/operations.ts";
import type { Answer } from "../../dispatch/dispatch.ts";
import { failureResponse } from "../../http/errors.ts";
import { readIdempotency } from "../../http/idempotency-key.ts";
import { type Preferred, readPrefer } from "../../http/prefer.ts";
import type { Command } from "../../ledger/command.ts";
import { FIRST_LANE } from "../../ledger/first-lane.ts";
import { acceptedAnswer } from "./answers.ts";
import { busyToUser } from "./busy.ts";
import type { EmContext, EmDeps } from "./deps.ts";
import { inCommand } from "./handler.ts";

export type Call<O extends OperationName> = {
  operation: O;
  /** checked: nothing that is wrong with the request is found after this */
  input: InputOf<O>;
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
  const { operation, input, respond } = call;
  const key = c.req.header("idempotency-key");
  // before the edge: a bad request is 400 whatever edge it names
  const route = operation;
  readIdempotency(key, route, {});
  const edge = await deps.resolveEdge(user, c.req.header("perigee-edge"));
  const idempotency = readIdempotency(key, route, { edge, input });
  const { admission, wait } = preferred;
  const asked = { user, edge, lane: FIRST_LANE, operation, input, admission, wait };
  const answer = await deps.dispatch
    .run({ ...asked, ...(idempotency && { idempotency }) })
    .catch((error: unknown) => {
      throw busyToUser(error, user);
    });
  const once = wait.kind === "end" && !idempotency;
  return answerOf(deps, answer, preferred, (result, command) => respond(result, command, once));
}

/** An {@link Answer} as a response; `Preference-Applied` says what of `Prefer` was done. */
export async function answerOf<O extends OperationName>(
  deps: Pick<EmDeps, "log">,
  answer: Answer<O>,
  { applied, wait }: Preferred,
  respond: (result: ResultOf<O>, command: Command) => Response | Promise<Response>,
): Promise<Response> {
  const { command } = answer;
  let response: Response;
  try {
    if (answer.kind === "succeeded") response = await respond(answer.result, command);
    else if (answer.kind === "accepted") response = acceptedAnswer(command);
    else {
      const { failure } = answer;
      if (ERRORS[failure.code][0] === 500) {
        deps.log.error({ command: command.id, failure }, "command failed on the edge");
      }
      response = failureResponse(failure, command.id);
    }
  } catch (error) {
    throw inCommand(error, command.id);
  }
  if (applied !== undefined && (wait.kind === "most" || answer.kind === "accepted")) {
    response.headers.set("preference-applied", applied);
  }
  return response;
}
