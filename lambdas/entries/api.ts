import { bufferedHandler, type LambdaRuntime, streamingHandler } from "../function-url/handler.ts";
import { ground, log, streaming, timeLeft } from "./lambda-ground.ts";

/** The API Lambda, behind a function URL. Environment: see lambda-ground.ts. */
const parts = { app: ground.app, timeLeft, log };
const { awslambda } = globalThis as { awslambda?: Partial<LambdaRuntime> };

// the AWS clients put things of their own under that name
export const handler =
  streaming && awslambda?.streamifyResponse
    ? streamingHandler(parts, awslambda as LambdaRuntime)
    : bufferedHandler(parts);
