import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const READY_MS = 60_000;
const POLL_MS = 100;
/** The emulator takes anybody's signature, and must only see which service is meant. */
const HEADERS = {
  "content-type": "application/json",
  authorization:
    "AWS4-HMAC-SHA256 Credential=test/20250101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0",
};

/** Lambdas of an emulator that run straight from a folder, each for one start. */
export class Functions {
  readonly #base: string;

  constructor(endpoint: string) {
    this.#base = `${endpoint}/2015-03-31/functions`;
  }

  /** Makes a function of a bundle, invokes it once, cold, and removes it. @returns what it says of its start, ms */
  async start(folder: string): Promise<number> {
    const name = `start-${randomBytes(5).toString("hex")}`;
    await this.#call("POST", "", {
      FunctionName: name,
      Runtime: "nodejs22.x",
      Handler: "index.handler",
      Role: "arn:aws:iam::000000000000:role/bench",
      MemorySize: 1024,
      Timeout: 30,
      Code: { S3Bucket: "hot-reload", S3Key: folder },
      Environment: {
        Variables: {
          PERIGEE_TABLE: "none",
          PERIGEE_BUCKET: "none",
          PERIGEE_QUEUE_PREFIX: "none_",
          PERIGEE_TOKEN_SECRET: "none",
          PERIGEE_STREAMING: "false",
        },
      },
    });
    try {
      await this.#untilActive(name);
      const { ready } = (await this.#call("POST", `/${name}/invocations`, {})) as { ready?: number };
      if (ready === undefined) throw new Error(`${folder} did not start`);
      return ready;
    } finally {
      await this.#call("DELETE", `/${name}`);
    }
  }

  async #untilActive(name: string): Promise<void> {
    const until = performance.now() + READY_MS;
    for (;;) {
      const { State } = (await this.#call("GET", `/${name}/configuration`)) as { State: string };
      if (State === "Active") return;
      if (performance.now() > until) throw new Error(`the function ${name} is ${State}`);
      await sleep(POLL_MS);
    }
  }

  async #call(method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await fetch(this.#base + path, {
      method,
      headers: HEADERS,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok || answer.headers.has("x-amz-function-error")) {
      throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    }
    return text === "" ? undefined : JSON.parse(text);
  }
}
