import type { Duplex } from "node:stream";

/** ms that a client has to take an answer and to close. */
const CLOSE_MS = 5_000;

/** Sends the last bytes of a connection that left HTTP: nothing else would ever cut one that its client leaves open. */
export function endSocket(socket: Duplex, bytes: Uint8Array | string): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const cut = setTimeout(() => socket.destroy(), CLOSE_MS);
  cut.unref();
  socket.once("close", () => clearTimeout(cut));
  // what it still sends is not kept, and its end is seen
  socket.resume();
  socket.end(bytes);
}
