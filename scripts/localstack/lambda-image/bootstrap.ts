import { existsSync } from "node:fs";
import { Agent, type IncomingHttpHeaders, request } from "node:http";
import { resolve } from "node:path";
import { PassThrough } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pathToFileURL } from "node:url";

/**
 * Loads a Lambda's function and calls it for each invocation that the Runtime API gives: what AWS' own runtime
 * client does, which comes only in AWS' images. An answer that streams is gathered: LocalStack takes whole ones.
 */
type Handler = ((event: unknown, context: object, callback?: Callback) => unknown) & { [STREAMING]?: true };
type StreamHandler = (event: unknown, stream: PassThrough, context: object) => Promise<void>;
type Callback = (error: unknown, value?: unknown) => void;

const STREAMING = Symbol.for("aws.lambda.runtime.handler.streaming");
/** between the head and the body of a streamed HTTP answer */
const DELIMITER = Buffer.alloc(8);

const env = process.env;
const [host, port] = env.AWS_LAMBDA_RUNTIME_API!.split(":");
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

Object.assign(globalThis, {
  awslambda: {
    streamifyResponse: (handler: object) => Object.assign(handler, { [STREAMING]: true }),
    HttpResponseStream: {
      from(stream: PassThrough, head: object) {
        stream.write(JSON.stringify(head));
        stream.write(DELIMITER);
        return stream;
      },
    },
  },
});

function call(
  method: string,
  path: string,
  body?: string | Buffer,
  headers: Record<string, string> = {},
): Promise<{ headers: IncomingHttpHeaders; body: Buffer }> {
  return new Promise((done, reject) => {
    const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
    const options = {
      agent,
      host,
      port,
      method,
      path: `/2018-06-01/runtime${path}`,
      headers: { ...length, ...headers },
    };
    const out = request(options, (answer) => {
      buffer(answer).then((whole) => done({ headers: answer.headers, body: whole }), reject);
    });
    out.on("error", reject);
    out.end(body);
  });
}

async function load(): Promise<Handler> {
  const handler = env._HANDLER!;
  const dot = handler.lastIndexOf(".");
  const base = resolve(env.LAMBDA_TASK_ROOT || "/var/task", handler.slice(0, dot));
  const file = [".js", ".mjs", ".cjs"].map((extension) => base + extension).find(existsSync);
  if (!file) throw named("Runtime.ImportModuleError", `Cannot find module '${handler.slice(0, dot)}'`);
  const module = await import(pathToFileURL(file).href);
  const found = module[handler.slice(dot + 1)] ?? module.default?.[handler.slice(dot + 1)];
  if (typeof found !== "function") throw named("Runtime.HandlerNotFound", `${handler} is not exported`);
  return found as Handler;
}

async function answerOf(handler: Handler, event: unknown, context: object): Promise<string | Buffer> {
  if (handler[STREAMING]) return streamed(handler as unknown as StreamHandler, event, context);
  if (handler.length < 3) return JSON.stringify((await handler(event, context)) ?? null);
  const value = await new Promise<unknown>((done, reject) => {
    const promised = handler(event, context, (error, result) => (error ? reject(error) : done(result)));
    if (promised instanceof Promise) promised.then(done, reject);
  });
  return JSON.stringify(value ?? null);
}

/** The whole of a streamed answer, in the shape of one that was never streamed. */
async function streamed(handler: StreamHandler, event: unknown, context: object): Promise<string | Buffer> {
  const stream = Object.assign(new PassThrough(), { setContentType() {} });
  const gathered = buffer(stream);
  await handler(event, stream, context);
  if (!stream.writableEnded) stream.end();
  const whole = await gathered;
  const end = whole.indexOf(DELIMITER);
  if (end < 0) return whole;
  const head = JSON.parse(String(whole.subarray(0, end))) as { headers?: Record<string, string> };
  const headers = Object.entries(head.headers ?? {}).filter(
    ([name]) => !/^(transfer-encoding|content-length)$/i.test(name),
  );
  return JSON.stringify({
    ...head,
    headers: Object.fromEntries(headers),
    body: whole.subarray(end + DELIMITER.length).toString("base64"),
    isBase64Encoded: true,
  });
}

function contextOf(headers: IncomingHttpHeaders) {
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  return {
    awsRequestId: headers["lambda-runtime-aws-request-id"] as string,
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
}

function named(name: string, message: string): Error {
  return Object.assign(new Error(message), { name });
}

function described(thrown: unknown): { name: string; json: string } {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const trace = (error.stack ?? "").split("\n");
  return {
    name: error.name,
    json: JSON.stringify({ errorType: error.name, errorMessage: error.message, trace }),
  };
}

let handler: Handler;
try {
  handler = await load();
} catch (error) {
  console.error(error);
  await call("POST", "/init/error", described(error).json);
  process.exit(1);
}
for (;;) {
  const next = await call("GET", "/invocation/next");
  const context = contextOf(next.headers);
  const path = `/invocation/${context.awsRequestId}`;
  env._X_AMZN_TRACE_ID = String(next.headers["lambda-runtime-trace-id"] ?? "");
  try {
    const event: unknown = next.body.length > 0 ? JSON.parse(String(next.body)) : {};
    await call("POST", `${path}/response`, await answerOf(handler, event, context));
  } catch (error) {
    console.error(error);
    const { name, json } = described(error);
    await call("POST", `${path}/error`, json, { "Lambda-Runtime-Function-Error-Type": name });
  }
}
