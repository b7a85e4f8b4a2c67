/**
 * A ground with the bench's lanes beside its own, a process of its own. Environment: BENCH_DATA. Says
 * `{"msg":"ready","url":…,"token":…}`, the token being the agent's of its one edge.
 */
import { pino } from "pino";
import { DIALECTS } from "#lambdas/dialects/index.ts";
import { createEmbeddedGround } from "#lambdas/embedded.ts";
import { serveGround } from "#lambdas/serve-ground.ts";
import { lanes } from "./dialect.ts";

const ground = await createEmbeddedGround({
  data: process.env.BENCH_DATA ?? ".",
  log: pino({ level: "warn" }),
  dialects: [...DIALECTS, lanes],
});
const { token } = await ground.accounts.addEdge("em1");
const { url } = await serveGround(ground, { host: "127.0.0.1", port: 0 });
console.log(JSON.stringify({ msg: "ready", url, token }));
process.on("SIGTERM", () => process.exit(0));
