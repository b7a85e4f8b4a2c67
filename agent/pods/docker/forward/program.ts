import type { OnReadOpts, Server, Socket } from "node:net";
import { joinSockets, largeReads, type ReadInLarge } from "../../join-sockets.ts";

/** What the program needs of Node: its text stands alone. */
type Net = {
  createServer(options: { allowHalfOpen: boolean }, heard: (from: Socket) => void): Server;
  connect(to: {
    host: string;
    port: number;
    allowHalfOpen: boolean;
    noDelay: boolean;
    onread: OnReadOpts;
  }): Socket;
};

/**
 * Takes connections at a socket's path; the first line of each says where it leads, as `<address> <port>`. Nothing else
 * is listened at.
 */
function forward(path: string, net: Net, join: typeof joinSockets, read: ReadInLarge): void {
  const MOST_HEAD = 64;
  const NEWLINE = 10;
  const server = net.createServer({ allowHalfOpen: true }, (from) => {
    let head = Buffer.alloc(0);
    const broken = () => from.destroy();
    const readHead = (bytes: Buffer) => {
      head = Buffer.concat([head, bytes]);
      const end = head.indexOf(NEWLINE);
      if (end < 0) {
        if (head.length > MOST_HEAD) from.destroy();
        return;
      }
      from.pause();
      from.off("data", readHead);
      from.off("error", broken);
      const [host = "", port] = head.subarray(0, end).toString().split(" ");
      if (head.length > end + 1) from.unshift(head.subarray(end + 1));
      const to = { host, port: Number(port), allowHalfOpen: true, noDelay: true };
      join(
        from,
        read((onread) => net.connect({ ...to, onread })),
      );
    };
    from.on("error", broken);
    from.on("data", readHead);
  });
  server.listen(path);
}

/** The forwarder's program, for a Node without anything else: its one argument is the socket's path. */
export const PROGRAM = `"use strict";
const path = process.argv[2];
require("node:fs").rmSync(path, { force: true });
process.once("SIGTERM", () => process.exit(0));
(${forward})(path, require("node:net"), ${joinSockets}, (${largeReads})());
`;
