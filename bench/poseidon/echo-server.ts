import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";

/** Sends back what comes: what a link's round trip is measured with. */
export async function openEchoServer(): Promise<{ url: string; close(): void }> {
  const server = createServer((socket) => {
    socket.setNoDelay();
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, close: () => void server.close() };
}
