import type { OnReadOpts, Socket } from "node:net";

/** Of a connection that is read in large pieces: what comes goes to that one. */
export type LargeReads = { leadTo(to: Socket): void };

/**
 * Passes on what comes from each to the other, ends too, and breaks one off when the other breaks. Self-contained: its
 * text goes into the forwarder's program (docker/forward/program.ts).
 */
export function joinSockets(
  one: Socket | (Socket & LargeReads),
  other: Socket | (Socket & LargeReads),
): void {
  const follow = (from: Socket | (Socket & LargeReads), to: Socket) => {
    from.on("error", () => to.destroy());
    // Only one that has ended well in both directions leaves the other to write what it still has.
    from.on("close", () => {
      if (!(to.writableEnded && from.readableEnded && from.writableFinished)) to.destroy();
    });
    if ("leadTo" in from) from.leadTo(to);
    else from.pipe(to);
  };
  follow(one, other);
  follow(other, one);
}

/**
 * A connection that is only for {@link joinSockets}: it is read into two buffers by turns, of twice the size that Node reads
 * at a time and makes anew for each read. Nothing is read before. Self-contained too.
 * @param open opens a connection with these options
 */
export function withLargeReads(open: (onread: OnReadOpts) => Socket): Socket & LargeReads {
  const BYTES = 128 * 1024;
  const buffers = [Buffer.allocUnsafeSlow(BYTES), Buffer.allocUnsafeSlow(BYTES)] as const;
  let turn = 0;
  // what is written is written in order: the buffer of the next turn is free while less than two are
  let underWay = 0;
  let led: Socket;
  const written = () => {
    underWay--;
    if (socket.isPaused()) socket.resume();
  };
  const socket = open({
    buffer: () => buffers[turn++ % 2 === 0 ? 0 : 1],
    callback: (bytes, buffer) => {
      underWay++;
      led.write(buffer.subarray(0, bytes), written);
      if (underWay < 2) return true;
      socket.pause();
      return false;
    },
  });
  socket.pause();
  const leadTo = (to: Socket) => {
    led = to;
    socket.once("end", () => to.end());
    socket.resume();
  };
  return Object.assign(socket, { leadTo });
}
