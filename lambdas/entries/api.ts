import { bufferedHandler, type LambdaRuntime, streamingHandler } from "../function-url/handler.ts";
import { ground, log, timeLeft } from "./lambda-ground.ts";

/**
 * The API Lambda, behind a function URL. Environment: see lambda-ground.ts, and PERIGEE_STREAMING (true): the
 * function URL's mode is RESPONSE_STREAM; `false`: BUFFERED.
 */
const parts = { app: ground.app, timeLeft, log };
const { awslambda } = globalThis as { awslambda?: LambdaRuntime };

export const handler =
  process.env.PERIGEE_STREAMING !== "false" && awslambda
    ? streamingHandler(parts, awslambda)
    : bufferedHandler(parts);
