import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer, type Socket } from "node:net";

/**
 * A TCP link to `target` that can be cut, led elsewhere, made silent, slow (ms each way) and thin (bytes a second each
 * way, over all connections).
 */
export async function openLink(target: string) {
  const pairs = new Set<[Socket, Socket]>();
  /** `target`: of new connections; `carried`: bytes that came out at the other end, to `target` and from it */
  const link = {
    target,
    silent: false,
    delayMs: 0,
    bytesPerSecond: Number.POSITIVE_INFINITY,
    carried: { up: 0, down: 0 },
  };
  /** when (ms) the last byte of this direction has been sent: bytes go one after the other, whosever they are */
  const free = { up: 0, down: 0 };
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const { hostname, port } = new URL(link.target);
    const far = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    near.setNoDelay();
    far.setNoDelay();
    const pair: [Socket, Socket] = [near, far];
    pairs.add(pair);
    for (const [from, to, way] of [
      [near, far, "up"],
      [far, near, "down"],
    ] as const) {
      from.on("error", () => to.destroy());
      from.on("close", () => {
        to.destroy();
        pairs.delete(pair);
      });
      const onItsWay: Buffer[] = [];
      from.on("data", (data) => {
        if (link.silent) return;
        const now = performance.now();
        free[way] = Math.max(free[way], now) + (data.length / link.bytesPerSecond) * 1000;
        const takes = link.delayMs + free[way] - now;
        if (takes > 0 || onItsWay.length > 0) {
          onItsWay.push(data);
          // each writes the first that is on its way: timers of different lengths need not keep the order
          setTimeout(() => {
            const first = onItsWay.shift()!;
            link.carried[way] += first.length;
            to.write(first);
          }, takes);
          return;
        }
        link.carried[way] += data.length;
        if (!to.write(data)) {
          from.pause();
          to.once("drain", () => from.resume());
        }
      });
      from.on("end", () => {
        const takes = link.delayMs + Math.max(0, free[way] - performance.now());
        setTimeout(() => to.end(), takes);
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return Object.assign(link, {
    /** Bytes that are sent before one that comes to the link now. */
    ahead: (way: "up" | "down") => (Math.max(0, free[way] - performance.now()) / 1000) * link.bytesPerSecond,
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
