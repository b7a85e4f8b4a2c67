import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer, type Socket } from "node:net";

/** A TCP link to `target` that can be cut, led elsewhere, made silent, and made slow (ms each way). */
export async function openLink(target: string) {
  const pairs = new Set<[Socket, Socket]>();
  /** `target`: of the connections from now on */
  const link = { target, silent: false, delayMs: 0 };
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const { hostname, port } = new URL(link.target);
    const far = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    const pair: [Socket, Socket] = [near, far];
    pairs.add(pair);
    for (const [from, to] of [pair, [far, near]] as const) {
      from.on("error", () => to.destroy());
      from.on("close", () => {
        to.destroy();
        pairs.delete(pair);
      });
      from.on("data", (data) => {
        if (link.silent) return;
        if (link.delayMs > 0) setTimeout(() => to.write(data), link.delayMs);
        else if (!to.write(data)) {
          from.pause();
          to.once("drain", () => from.resume());
        }
      });
      from.on("end", () => setTimeout(() => to.end(), link.delayMs));
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return Object.assign(link, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Breaks every connection. */
    cut() {
      for (const pair of pairs) for (const socket of pair) socket.destroy();
    },
    close() {
      this.cut();
      server.close();
    },
  });
}
