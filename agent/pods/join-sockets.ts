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

/** Opens a connection with these options, for {@link joinSockets} alone: nothing of it is read before. */
export type ReadInLarge = (open: (onread: OnReadOpts) => Socket) => Socket & LargeReads;

/**
 * Reads connections in pieces of twice the size that Node reads at a time. One buffer is read into for all of them, so that one where
 * nothing comes holds none; what came is copied out of it at once, into a buffer that is used again when it is written.
 * Self-contained too.
 */
export function largeReads(): ReadInLarge {
  const BYTES = 128 * 1024;
  // what is smaller gets a buffer of its own size, which costs little
  const SMALL = 32 * 1024;
  // more are only needed while many connections are written slowly
  const MOST_FREE = 16;
  const shared = Buffer.allocUnsafeSlow(BYTES);
  const free: Buffer[] = [];
  const copyOf = (bytes: number) => {
    const copy =
      bytes <= SMALL ? Buffer.allocUnsafeSlow(bytes) : (free.pop() ?? Buffer.allocUnsafeSlow(BYTES));
    shared.copy(copy, 0, 0, bytes);
    return copy;
  };
  const done = (copy: Buffer) => {
    if (copy.length === BYTES && free.length < MOST_FREE) free.push(copy);
  };
  return (open) => {
    // one is written while the next one comes
    let underWay = 0;
    let led: Socket;
    const socket = open({
      buffer: shared,
      callback: (bytes) => {
        const copy = copyOf(bytes);
        underWay++;
        led.write(copy.subarray(0, bytes), () => {
          done(copy);
          underWay--;
          if (socket.isPaused()) socket.resume();
        });
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
  };
}
