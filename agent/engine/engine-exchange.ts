import http from "node:http";
import https from "node:https";
import type { Readable } from "node:stream";

/** A request as docker-modem puts it together. */
export type Asked = https.RequestOptions;

/** What its caller meant by it. */
export type Meant = {
  path: string;
  /** statuses: true is a success, a text is what to call the failure */
  statusCodes: Record<number, boolean | string>;
  /** the answer is given as a stream once its head is there, else as JSON or bytes once it is whole */
  isStream?: boolean;
  /** the connection is taken over once the engine has agreed: the answer is the socket */
  hijack?: boolean;
};

/**
 * What only asks has its answer within this (ms): a list with sizes on a slow disk takes a minute, and an engine that takes calls and
 * answers none would hold a socket for each, and whoever waits.
 */
const ANSWER_MS = 180_000;

export type Told = (error: unknown, answer: unknown) => void;

/**
 * One request and its answer, told once. No redirect is followed: 3xx is a failure like any other status. An answer
 * that breaks off is an error and not silence, and no error is without a listener.
 * @param answerMs deadline of a GET whose answer is no stream
 */
export function exchange(
  protocol: string,
  asked: Asked,
  meant: Meant,
  body: unknown,
  told: Told,
  answerMs: number = ANSWER_MS,
): void {
  let over = false;
  let late: NodeJS.Timeout | undefined;
  const tell: Told = (error, answer) => {
    if (over) return;
    over = true;
    clearTimeout(late);
    told(error, answer);
  };
  const answered = (response: http.IncomingMessage) => {
    // who takes the stream hears of its errors too
    response.on("error", () => undefined);
    const succeeded = meant.statusCodes[response.statusCode ?? 0] === true;
    if (succeeded && meant.isStream) {
      tell(null, response);
      return;
    }
    textOf(response).then(
      (bytes) => (succeeded ? tell(null, parsed(bytes)) : tell(failureOf(response, meant, bytes), null)),
      (error) => tell(error, null),
    );
  };
  let request: http.ClientRequest;
  try {
    request = (protocol === "https" ? https : http).request(asked, answered);
  } catch (error) {
    tell(error, null);
    return;
  }
  request.on("error", (error) => tell(error, null));
  if (asked.method === "GET" && !meant.isStream && !meant.hijack) {
    late = setTimeout(() => {
      const error = Object.assign(new Error("the container engine does not answer"), { code: "ETIMEDOUT" });
      tell(error, null);
      request.destroy(error);
    }, answerMs);
  }
  if (meant.hijack) {
    request.on("upgrade", (_response, socket, head) => {
      socket.on("error", () => undefined);
      if (head.length > 0) socket.unshift(head);
      if (over) socket.destroy();
      tell(null, socket);
    });
  }
  if (isStream(body)) {
    body.on("error", (error) => request.destroy(error));
    body.pipe(request);
  } else request.end(body);
}

function isStream(body: unknown): body is Readable {
  return typeof (body as Readable | undefined)?.pipe === "function";
}

async function textOf(response: http.IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return bytes;
  }
}

/** With status and message where dockerode's callers look for them. */
function failureOf(response: http.IncomingMessage, { statusCodes }: Meant, bytes: Buffer): Error {
  const json = parsed(bytes) as { message?: string } | Buffer;
  const message = (!Buffer.isBuffer(json) && json.message) || bytes.toString();
  // of two calls that remove or name one image at once, the engine tells the later one 500: the image is gone
  const gone = response.statusCode === 500 && message.startsWith("unrecognized image ID");
  const statusCode = gone ? 404 : (response.statusCode ?? 0);
  const reason = statusCodes[statusCode] ?? "unexpected";
  return Object.assign(new Error(`(HTTP code ${statusCode}) ${reason} - ${message} `), {
    reason,
    statusCode,
    json,
  });
}
