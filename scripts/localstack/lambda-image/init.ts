import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, existsSync } from "node:fs";
import {
  Agent,
  createServer,
  type IncomingMessage,
  type RequestListener,
  request,
  type ServerResponse,
} from "node:http";

/**
 * The first process of a Lambda's container under LocalStack, in the place of LocalStack's own, which comes only
 * by download. Towards LocalStack it tells `/status/…`, takes invocations on `/invoke` and gives back logs and
 * answers; towards `bootstrap`, which loads the function, it is the Lambda Runtime API on 127.0.0.1:9001. One
 * invocation at a time; one that takes too long takes its process with it, as in AWS.
 */
type Invocation = {
  "invoke-id": string;
  "invoked-function-arn": string;
  "trace-id"?: string;
  payload: string;
};
type Current = Invocation & { started: number; timer: NodeJS.Timeout };

const env = process.env;
const UPSTREAM = env.LOCALSTACK_RUNTIME_ENDPOINT!;
const ID = env.LOCALSTACK_RUNTIME_ID!;
const INVOKE_PORT = Number(env.LOCALSTACK_INTEROP_PORT || 9563);
const API_PORT = 9001;
const TIMEOUT_S = Number(env.AWS_LAMBDA_FUNCTION_TIMEOUT || 3);
const MEMORY_MB = env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE || "128";
const LOG_BYTES = 512 * 1024;
const BOOTSTRAPS = ["/var/task/bootstrap", "/opt/bootstrap", "/var/runtime/bootstrap"];

// Kept open, LocalStack may close a connection at the moment of the next message, which is then lost.
const agent = new Agent({ keepAlive: false });
const queue: Invocation[] = [];
let child: ChildProcess | undefined;
let current: Current | undefined;
/** the function asks for its next invocation */
let asking: ServerResponse | undefined;
/** LocalStack knows that the function is up, or that it never will be */
let announced = false;
let logs = "";

for (const { path, mode } of JSON.parse(env.LOCALSTACK_CHMOD_PATHS || "[]") as {
  path: string;
  mode: string;
}[]) {
  try {
    if (path !== "/tmp") chmodSync(path, Number.parseInt(mode, 8));
  } catch {
    // not in this image
  }
}

function tell(path: string, body: string | Buffer): Promise<void> {
  return new Promise((resolve) => {
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const out = request(UPSTREAM + path, { agent, method: "POST", headers }, (answer) => {
      answer.resume().on("end", resolve);
    });
    out.on("error", (error) => {
      process.stderr.write(`init: ${path}: ${error.message}\n`);
      resolve();
    });
    out.end(body);
  });
}

async function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function log(text: string): void {
  if (logs.length < LOG_BYTES) logs += text;
}

function startFunction(): void {
  const own = Object.entries(env).filter(([name]) => {
    return (
      (!name.startsWith("LOCALSTACK_") || name === "LOCALSTACK_HOSTNAME") &&
      !["HOSTNAME", "HOME"].includes(name)
    );
  });
  const bootstrap = BOOTSTRAPS.find((path) => existsSync(path))!;
  const started = spawn(bootstrap, [], {
    cwd: "/var/task",
    env: {
      _HANDLER: env.AWS_LAMBDA_FUNCTION_HANDLER,
      ...Object.fromEntries(own),
      AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${API_PORT}`,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  child = started;
  for (const stream of [started.stdout, started.stderr]) {
    stream.on("data", (data: Buffer) => {
      process.stdout.write(data);
      log(String(data));
    });
  }
  started.on("exit", (code, signal) => {
    if (started !== child) return;
    asking = undefined;
    const errorMessage = `Error: Runtime exited with error: exit status ${code ?? signal}`;
    const error = JSON.stringify({ errorMessage, errorType: "Runtime.ExitError" });
    if (!announced) {
      announced = true;
      void tell(`/status/${ID}/error`, error);
      return;
    }
    void finish("error", error);
    startFunction();
  });
}

function handOver(): void {
  if (!asking || current || queue.length === 0) return;
  const invocation = queue.shift()!;
  const id = invocation["invoke-id"];
  const started = Date.now();
  current = { ...invocation, started, timer: setTimeout(overdue, TIMEOUT_S * 1000) };
  log(`START RequestId: ${id} Version: ${env.AWS_LAMBDA_FUNCTION_VERSION || "$LATEST"}\n`);
  asking.writeHead(200, {
    "content-type": "application/json",
    "Lambda-Runtime-Aws-Request-Id": id,
    "Lambda-Runtime-Deadline-Ms": String(started + TIMEOUT_S * 1000),
    "Lambda-Runtime-Invoked-Function-Arn": invocation["invoked-function-arn"],
    ...(invocation["trace-id"] && { "Lambda-Runtime-Trace-Id": invocation["trace-id"] }),
  });
  asking.end(invocation.payload);
  asking = undefined;
}

function overdue(): void {
  const slow = child;
  const id = current?.["invoke-id"];
  child = undefined;
  asking = undefined;
  const errorMessage = `${new Date().toISOString()} ${id} Task timed out after ${TIMEOUT_S}.00 seconds`;
  void finish("error", JSON.stringify({ errorMessage }));
  slow?.kill("SIGKILL");
  startFunction();
}

async function finish(kind: "response" | "error", payload: string | Buffer): Promise<void> {
  if (!current) return;
  const { "invoke-id": id, started, timer } = current;
  current = undefined;
  clearTimeout(timer);
  // what it wrote last comes over the pipe
  await new Promise((resolve) => setImmediate(resolve));
  const ms = Date.now() - started;
  log(`END RequestId: ${id}\nREPORT RequestId: ${id}\tDuration: ${ms} ms\tMemory Size: ${MEMORY_MB} MB\n`);
  const written = logs;
  logs = "";
  await tell(`/invocations/${id}/logs`, JSON.stringify({ logs: written }));
  await tell(`/invocations/${id}/${kind}`, payload);
  handOver();
}

const runtimeApi: RequestListener = async (incoming, answer) => {
  const path = incoming.url!.replace("/2018-06-01/runtime", "");
  if (path === "/invocation/next") {
    asking = answer;
    answer.on("close", () => {
      if (asking === answer) asking = undefined;
    });
    if (!announced) {
      announced = true;
      void tell(`/status/${ID}/ready`, "");
    }
    handOver();
    return;
  }
  const body = await bodyOf(incoming);
  const ended = /^\/invocation\/([^/]+)\/(response|error)$/.exec(path);
  answer.writeHead(ended || path === "/init/error" ? 202 : 404).end("{}");
  if (ended?.[1] === current?.["invoke-id"]) void finish(ended![2] as "response" | "error", body);
  if (path === "/init/error" && !announced) {
    announced = true;
    void tell(`/status/${ID}/error`, body);
  }
};

const invocations: RequestListener = async (incoming, answer) => {
  const body = await bodyOf(incoming);
  if (incoming.url !== "/invoke") {
    answer.writeHead(404).end();
    return;
  }
  queue.push(JSON.parse(String(body)) as Invocation);
  answer.writeHead(200).end("OK");
  handOver();
};

for (const name of ["SIGTERM", "SIGINT"] as const) {
  process.on(name, () => {
    child?.kill("SIGKILL");
    process.exit(0);
  });
}
createServer(runtimeApi).listen(API_PORT, "127.0.0.1", () => {
  createServer({ keepAliveTimeout: 60_000 }, invocations).listen(INVOKE_PORT, "0.0.0.0", startFunction);
});
