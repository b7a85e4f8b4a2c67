import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type FunctionUrl = {
  /** `http://127.0.0.1:<port>` */
  url: string;
  close(): Promise<void>;
};

/** What Lambda takes as one event; it says so itself over that. */
const EVENT_BYTES = 6 * 1024 * 1024;
/** ms for which the rest of a body that was refused is thrown away */
const DRAIN_MS = 10_000;
const TOO_LARGE = {
  Message: `Request must be smaller than ${EVENT_BYTES} bytes for the InvokeFunction operation`,
};
/** For the emulator to see which service is meant; it takes anybody's signature. */
const SIGNED_FOR_LAMBDA =
  "AWS4-HMAC-SHA256 Credential=test/20250101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0";

/** An answer of a function in buffered mode. */
type Result = {
  statusCode?: number;
  headers?: Record<string, string>;
  cookies?: string[];
  body?: string;
  isBase64Encoded?: boolean;
};

/**
 * AWS's part of a function URL in buffered mode, on this machine: each request becomes an event as AWS makes it
 * and one invocation of the function at the emulator. The emulator's own function URLs need a name that nobody
 * resolves and write multipart bodies anew, without their empty parts.
 */
export async function serveFunctionUrl(options: {
  /** of the emulator */
  endpoint: string;
  functionName: string;
  /** default: any free one */
  port?: number;
  /** told why an answer is 502, which its client does not learn; must not throw */
  say?: (line: string) => void;
}): Promise<FunctionUrl> {
  const { endpoint, functionName } = options;
  const invocations = new URL(`/2015-03-31/functions/${functionName}/invocations`, endpoint);
  // Kept open, the emulator may close a connection at the moment of the next invocation, which is then lost.
  const agent = new Agent({ keepAlive: false });
  const server = createServer({ requestTimeout: 0, keepAliveTimeout: 65_000 }, (incoming, outgoing) => {
    answer(incoming, outgoing).catch((error: Error) => {
      if (outgoing.headersSent) outgoing.destroy();
      else broken(outgoing, `the emulator does not answer: ${error.message}`);
    });
  });

  async function answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    if (Number(incoming.headers["content-length"] ?? 0) > EVENT_BYTES) return refuse(incoming, outgoing);
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of incoming as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > EVENT_BYTES) return refuse(incoming, outgoing);
      chunks.push(chunk);
    }
    const event = JSON.stringify(eventOf(incoming, Buffer.concat(chunks)));
    if (event.length > EVENT_BYTES) return refuse(incoming, outgoing);
    const { payload, failed } = await invoke(event);
    if (failed) return broken(outgoing, `${failed}: ${payload}`);
    const result = JSON.parse(payload) as Result | null;
    if (!result?.statusCode) return broken(outgoing, `no answer of a function: ${payload}`);
    const body = Buffer.from(result.body ?? "", result.isBase64Encoded ? "base64" : "utf8");
    const cookies = result.cookies?.length ? { "set-cookie": result.cookies } : {};
    outgoing.writeHead(result.statusCode, { "content-length": body.length, ...result.headers, ...cookies });
    outgoing.end(body);
  }

  function broken(outgoing: ServerResponse, why: string): void {
    options.say?.(`function URL: 502: ${why.slice(0, 500)}`);
    json(outgoing, 502, { Message: "Internal Server Error" });
  }

  /** `failed`: how, when the function did not answer */
  function invoke(event: string): Promise<{ payload: string; failed?: string }> {
    return new Promise((resolve, reject) => {
      const headers = { authorization: SIGNED_FOR_LAMBDA, "content-length": Buffer.byteLength(event) };
      const out = request(invocations, { agent, method: "POST", headers }, (got) => {
        const chunks: Buffer[] = [];
        got.on("data", (chunk: Buffer) => chunks.push(chunk));
        got.on("error", reject);
        got.on("end", () => {
          const error = got.headers["x-amz-function-error"];
          const failed = got.statusCode === 200 ? error?.toString() : `status ${got.statusCode}`;
          resolve({ payload: Buffer.concat(chunks).toString(), ...(failed && { failed }) });
        });
      });
      out.on("error", reject);
      out.end(event);
    });
  }

  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
        agent.destroy();
      }),
  };
}

/** The event of payload format 2.0. Header names in lower case, values of one name joined, text as it is. */
function eventOf(incoming: IncomingMessage, body: Buffer) {
  const [path = "/", query = ""] = splitOnce(incoming.url ?? "/", "?");
  const { cookie, ...headers } = incoming.headers;
  const type = incoming.headers["content-type"] ?? "";
  const isBase64Encoded = !/^(?:text\/|application\/(?:json|xml|javascript)\b)/i.test(type);
  const joined = Object.entries(headers).map(([name, value]) => [name, [value].flat().join(", ")]);
  return {
    version: "2.0",
    routeKey: "$default",
    rawPath: path,
    rawQueryString: query,
    // bytes of headers are UTF-8 in the event
    headers: Object.fromEntries(
      joined.map(([name, value]) => [name, Buffer.from(value!, "latin1").toString("utf8")]),
    ),
    ...(cookie && { cookies: cookie.split("; ") }),
    requestContext: {
      domainName: incoming.headers.host ?? "",
      http: {
        method: incoming.method,
        path,
        protocol: "HTTP/1.1",
        sourceIp: incoming.socket.remoteAddress,
        userAgent: incoming.headers["user-agent"] ?? "",
      },
      timeEpoch: Date.now(),
    },
    ...(body.length > 0 && { body: body.toString(isBase64Encoded ? "base64" : "utf8") }),
    isBase64Encoded: body.length > 0 && isBase64Encoded,
  };
}

function splitOnce(text: string, separator: string): [string, string?] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

/** The answer ends with the body: closing before would reset the connection of who is still sending, and eat it. */
function refuse(incoming: IncomingMessage, outgoing: ServerResponse): void {
  const text = JSON.stringify(TOO_LARGE);
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
  outgoing.writeHead(413, { ...headers, connection: "close" });
  outgoing.write(text);
  const late = setTimeout(() => outgoing.end(), DRAIN_MS);
  const end = () => {
    clearTimeout(late);
    outgoing.end();
  };
  incoming.once("end", end).once("close", end).resume();
}

function json(outgoing: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  outgoing.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
  });
  outgoing.end(text);
}
