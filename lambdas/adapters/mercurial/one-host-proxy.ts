import { lookup } from "node:dns/promises";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
} from "node:http";
import { type AddressInfo, connect, isIP } from "node:net";
import type { Duplex } from "node:stream";
import { isInternal } from "../internal-address.ts";

export type OneHostProxyOptions = {
  /** as a URL has it: `name:port`, the port also where it is the scheme's own */
  host: string;
  /** `address:port` of internal addresses that may be connected to */
  internal: readonly string[];
  /** finds a name's addresses (default: the system's) */
  resolve?: (name: string) => Promise<string[]>;
};

export type OneHostProxy = AsyncDisposable & {
  readonly port: number;
  /** why something was refused: the first reason */
  readonly refused: string | undefined;
};

const HOP_BY_HOP = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

const system = async (name: string) => (await lookup(name, { all: true })).map(({ address }) => address);

/**
 * An HTTP proxy on loopback that connects to one host and port and to nothing else, whatever it is asked for. The
 * host's name is looked up once, so that it cannot mean another address later.
 */
export async function openOneHostProxy(options: OneHostProxyOptions): Promise<OneHostProxy> {
  const sockets = new Set<Duplex>();
  let refused: string | undefined;
  const refuse = (why: string) => {
    refused ??= why;
  };
  const colon = options.host.lastIndexOf(":");
  const port = Number(options.host.slice(colon + 1));
  const name = options.host.slice(0, colon).replace(/^\[|\]$/g, "");
  let target: Promise<string | undefined> | undefined;
  const find = async () => {
    const resolve = options.resolve ?? system;
    const addresses = isIP(name) ? [name] : await resolve(name).catch(() => []);
    const [address] = addresses;
    if (address === undefined) refuse(`there is no host ${name}`);
    const inner = addresses.find((one) => isInternal(one) && !options.internal.includes(hostOf(one, port)));
    if (inner === undefined) return address;
    refuse(`${name} is an internal address, which this ground does not list`);
    return undefined;
  };
  /** The address to connect to for what was asked for; undefined when it is refused. */
  const addressFor = async (host: string) => {
    if (host.toLowerCase() !== options.host.toLowerCase()) {
      refuse(`the server leads to another host, ${host.slice(0, 200)}`);
      return undefined;
    }
    target ??= find();
    return target;
  };

  const forward = async (incoming: IncomingMessage, answer: ServerResponse) => {
    const url = URL.parse(incoming.url ?? "");
    const host = url?.protocol === "http:" ? `${url.hostname}:${url.port || 80}` : String(url?.host);
    const address = await addressFor(host);
    if (address === undefined || !url) return answer.writeHead(403).end();
    const outgoing = request({
      host: address,
      port,
      method: incoming.method,
      path: `${url.pathname}${url.search}`,
      headers: { ...endToEnd(incoming.headers), connection: "close" },
    });
    outgoing.on("error", () => answer.destroy());
    answer.on("error", () => outgoing.destroy());
    answer.once("close", () => outgoing.destroy());
    outgoing.once("response", (response) => {
      response.on("error", () => answer.destroy());
      try {
        answer.writeHead(response.statusCode ?? 502, endToEnd(response.headers));
      } catch {
        // a status or a header that there is not
        outgoing.destroy();
        answer.destroy();
        return;
      }
      response.pipe(answer);
    });
    incoming.pipe(outgoing);
    return undefined;
  };

  const tunnel = async (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    const address = await addressFor(incoming.url ?? "");
    if (address === undefined) return socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
    const outgoing = connect(port, address, () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      outgoing.write(head);
      outgoing.pipe(socket).pipe(outgoing);
    });
    sockets.add(outgoing);
    outgoing.once("close", () => {
      sockets.delete(outgoing);
      socket.destroy();
    });
    socket.once("close", () => outgoing.destroy());
    outgoing.on("error", () => outgoing.destroy());
    return undefined;
  };

  const server = createServer((incoming, answer) => {
    forward(incoming, answer).catch(() => answer.destroy());
  });
  server.on("connect", (incoming, socket, head) => {
    tunnel(incoming, socket, head).catch(() => socket.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    get refused() {
      return refused;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Headers without those that are for one connection alone. */
function endToEnd(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const named = (headers.connection ?? "").split(",").map((name) => name.trim().toLowerCase());
  const left = new Set([...HOP_BY_HOP, ...named]);
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !left.has(name)));
}

function hostOf(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
