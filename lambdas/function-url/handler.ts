import type { Writable } from "node:stream";
import type { LambdaFunctionURLEvent } from "aws-lambda";
import type { Logger } from "pino";
import { PerigeeError } from "#protocol/errors.ts";
import type { GroundEnv } from "../http/env.ts";
import { errorResponse } from "../http/errors.ts";
import type { TimeLeft } from "../http/time-left.ts";
import { type BufferedAnswer, bufferedAnswer, headOf, streamAnswer } from "./answer.ts";
import { bodyBeside, requestOf, targetOf } from "./request.ts";

type App = { fetch(request: Request, env: GroundEnv["Bindings"]): Response | Promise<Response> };
type Invocation = { getRemainingTimeInMillis(): number };
type StreamingHandler = (
  event: LambdaFunctionURLEvent,
  stream: Writable,
  context: Invocation,
) => Promise<void>;

/** What Lambda's Node runtime puts into the global scope. */
export type LambdaRuntime = {
  streamifyResponse(handler: StreamingHandler): unknown;
  HttpResponseStream: { from(stream: Writable, head: object): Writable };
};

export type HandlerParts = {
  app: App;
  /** is told how long each invocation may take */
  timeLeft: TimeLeft;
  log: Logger;
};

/** The app as a handler behind a function URL in buffered mode: answers up to 6 MB. */
export function bufferedHandler(
  parts: HandlerParts,
): (event: LambdaFunctionURLEvent, context: Invocation) => Promise<BufferedAnswer> {
  return async (event, context) => bufferedAnswer(await answerTo(parts, event, context));
}

/** The app as a handler behind a function URL with response streaming. */
export function streamingHandler(parts: HandlerParts, runtime: LambdaRuntime): unknown {
  return runtime.streamifyResponse(async (event, stream, context) => {
    const response = await answerTo(parts, event, context);
    await streamAnswer(response, runtime.HttpResponseStream.from(stream, headOf(response)));
  });
}

async function answerTo(
  { app, timeLeft, log }: HandlerParts,
  event: LambdaFunctionURLEvent,
  context: Invocation,
): Promise<Response> {
  timeLeft.begin(context.getRemainingTimeInMillis());
  let request: Request;
  try {
    request = requestOf(event);
  } catch (cause) {
    return errorResponse(new PerigeeError("INVALID_PARAMETERS", "The request cannot be read", { cause }), {
      log,
    });
  }
  const body = bodyBeside(event);
  return app.fetch(request, {
    remoteAddress: event.requestContext.http.sourceIp,
    target: targetOf(event),
    ...(body && { body }),
  });
}
