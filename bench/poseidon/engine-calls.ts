import { once } from "node:events";
import { rmSync } from "node:fs";
import { connect, createServer } from "node:net";

/** A request's first line at the beginning of a piece: the agent sends none before the answer of the one before it. */
const REQUEST = /^(?:GET|POST|PUT|DELETE|HEAD) \S+ HTTP\/1\.1\r\n/;

/** A Unix socket before the engine's that counts the requests which pass. @param host as in DOCKER_HOST */
export async function countEngineCalls(host: string, path: string) {
  const counted = { calls: 0 };
  const to = host.startsWith("unix://") ? { path: host.slice("unix://".length) } : undefined;
  if (!to) throw new Error(`the engine's calls are counted on a Unix socket, not ${host}`);
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ ...to, allowHalfOpen: true });
    near.on("data", (data) => {
      if (REQUEST.test(data.toString("latin1", 0, 512))) counted.calls++;
    });
    near.pipe(far);
    far.pipe(near);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
  });
  server.listen(path);
  await once(server, "listening");
  return Object.assign(counted, {
    host: `unix://${path}`,
    close() {
      server.close();
      rmSync(path, { force: true });
    },
  });
}
