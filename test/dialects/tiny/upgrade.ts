import type { Dialect } from "#lambdas/dialects/dialect.ts";

/** A protocol of its own that says everything back in capitals. */
export const upgrade: NonNullable<Dialect["upgrade"]> = {
  accepts: ({ url, headers }) => url === "/tiny/talk" && headers.upgrade === "tiny",
  handle(_incoming, socket, head, core) {
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tiny\r\n\r\n${core.setting("TINY_GREETING")}\n`,
    );
    socket.on("data", (data) => socket.write(String(data).toUpperCase()));
    if (head.length > 0) socket.unshift(head);
  },
};
