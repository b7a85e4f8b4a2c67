import { type ChildProcess, spawn } from "node:child_process";
import { connect, createServer, type Server } from "node:net";

/** Passes connections to `host:port` on to `to`. */
const PASS = `
const net = require("node:net");
const [host, port, toHost, toPort] = process.argv.slice(1);
net.createServer((client) => {
  const server = net.connect(Number(toPort), toHost);
  client.pipe(server).pipe(client);
  for (const end of [client, server]) end.on("error", () => { client.destroy(); server.destroy(); });
}).listen(Number(port), host, () => console.log("ready"));`;

/**
 * The throwaway cluster's nodes have a loopback that is not the engine's: for a node this makes a port of its
 * loopback the same port of this machine's.
 */
export class LoopbackRelay {
  readonly #here: Server;
  readonly #there: ChildProcess;

  private constructor(here: Server, there: ChildProcess) {
    this.#here = here;
    this.#there = there;
  }

  /** @param namespace network namespace of the node; @param host this machine's address as the node knows it */
  static async open(namespace: string, host: string, port: number): Promise<LoopbackRelay> {
    const here = createServer((client) => {
      const server = connect(port, "127.0.0.1");
      client.pipe(server).pipe(client);
      for (const end of [client, server]) {
        end.on("error", () => {
          client.destroy();
          server.destroy();
        });
      }
    });
    await new Promise<void>((resolve) => here.listen(0, host, resolve));
    const { port: passed } = here.address() as { port: number };
    const there = spawn(
      "nsenter",
      [
        ...[`--net=/var/run/netns/${namespace}`, "--", process.execPath, "-e", PASS, "--"],
        ...["127.0.0.1", String(port), host, String(passed)],
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    await new Promise<void>((resolve, reject) => {
      there.once("error", reject);
      there.once("close", () => reject(new Error("the relay ended")));
      there.stdout?.once("data", () => resolve());
    });
    return new LoopbackRelay(here, there);
  }

  async close(): Promise<void> {
    this.#there.kill("SIGKILL");
    await new Promise((resolve) => this.#here.close(resolve));
  }
}
