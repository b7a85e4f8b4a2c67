import type { IncomingMessage, Server, ServerResponse } from "node:http";

const refused = new WeakSet<IncomingMessage>();

/** The answer is made: a body that is read from now on is thrown away, and no 100 may ask for it. */
export function refuseContinue(incoming: IncomingMessage): void {
  refused.add(incoming);
}

/**
 * Makes a Node server answer `Expect: 100-continue` with 100 only when the route starts to read the body, so
 * that a request that is refused by its headers is refused before the client sends anything. Any other
 * expectation is 417. Call it once, on the server that @hono/node-server made.
 */
export function honourExpectContinue(server: Server): void {
  server.on("checkContinue", (request: IncomingMessage, response: ServerResponse) => {
    const read = request._read;
    request._read = function (size) {
      request._read = read;
      if (!refused.has(request) && !response.headersSent && !response.destroyed) response.writeContinue();
      read.call(this, size);
    };
    server.emit("request", request, response);
  });
  server.on("checkExpectation", (_request: IncomingMessage, response: ServerResponse) => {
    const body = JSON.stringify({
      error: "EXPECTATION_FAILED",
      message: "Only Expect: 100-continue is understood",
    });
    response.writeHead(417, {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      connection: "close",
    });
    response.end(body);
  });
}
