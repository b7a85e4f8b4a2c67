import type { Logger } from "pino";
import { ERRORS } from "#protocol/errors.ts";
import type { OperationName, ResultOf } from "#protocol/operations.ts";
import type { Answer } from "../dispatch/dispatch.ts";
import { type ErrorShape, failureResponse } from "../http/errors.ts";
import { json } from "../http/json-answer.ts";
import type { Preferred } from "../http/prefer.ts";
import { inCommand } from "../http/route-handler.ts";
import type { Command } from "../ledger/command.ts";

/** An {@link Answer} as a response; `Preference-Applied` says what of `Prefer` was done. */
export async function answerOf<O extends OperationName>(
  deps: { log: Logger; shape?: ErrorShape },
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
      response = (deps.shape ?? failureResponse)(failure, command.id);
    }
  } catch (error) {
    throw inCommand(error, command.id);
  }
  if (applied !== undefined && (wait.kind === "most" || answer.kind === "accepted")) {
    response.headers.set("preference-applied", applied);
  }
  return response;
}

/** 202: the command is under way, and where to ask for it. */
function acceptedAnswer(command: Command): Response {
  const { id, state, position } = command;
  return json({ message: "Command accepted", data: { command_id: id, state, position } }, 202, {
    location: `/commands/${id}`,
  });
}
