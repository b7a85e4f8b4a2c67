import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";

/** A TCP port that is free now. Whoever takes it should be quick. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "0.0.0.0");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
