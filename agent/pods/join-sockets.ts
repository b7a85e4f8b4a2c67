import type { Socket } from "node:net";

/**
 * Passes on what comes from each to the other, ends too, and breaks one off when the other breaks. Self-contained: its
 * text goes into the forwarder's program (docker/forward/program.ts).
 */
export function joinSockets(one: Socket, other: Socket): void {
  const follow = (from: Socket, to: Socket) => {
    from.on("error", () => to.destroy());
    // Only one that has ended well in both directions leaves the other to write what it still has.
    from.on("close", () => {
      if (!(to.writableEnded && from.readableEnded && from.writableFinished)) to.destroy();
    });
    from.pipe(to);
  };
  follow(one, other);
  follow(other, one);
}
