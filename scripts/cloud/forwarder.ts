import { Agent, createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream";

export type Forwarder = {
  /** `http://127.0.0.1:<port>` */
  url: string;
  close(): Promise<void>;
};

/**
 * A way to a function URL of an emulator: those are told apart by the host's name, which nobody resolves here.
 * What comes to the forwarder goes to `origin` under that name, streams both ways.
 * @param host of the function URL, with its port when it has one
 */
export async function startForwarder(options: {
  origin: string;
  host: string;
  port?: number;
}): Promise<Forwarder> {
  const origin = new URL(options.origin);
  const agent = new Agent({ keepAlive: true });
  const server = createServer({ requestTimeout: 0, keepAliveTimeout: 65_000 }, (incoming, outgoing) => {
    const forwarded = request({
      agent,
      hostname: origin.hostname,
      port: origin.port,
      method: incoming.method,
      path: incoming.url,
      headers: { ...incoming.headers, host: options.host },
    });
    const give = (status: number, message: string) => {
      if (outgoing.headersSent) outgoing.destroy();
      else outgoing.writeHead(status, { "content-type": "text/plain" }).end(`${message}\n`);
    };
    forwarded.on("response", (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers);
      pipeline(answer, outgoing, () => {});
    });
    forwarded.on("error", (error) => give(502, `the emulator does not answer: ${error.message}`));
    outgoing.on("close", () => outgoing.writableFinished || forwarded.destroy());
    // not pipeline: an answer that comes before the body's end must not be cut
    incoming.pipe(forwarded);
  });
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
