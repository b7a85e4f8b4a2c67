import { pino } from "pino";
import { runAgent } from "../agent.ts";
import { readConfig, readEnvironment } from "../config.ts";
import { survive } from "../survive.ts";

/**
 * The agent as a process. Environment: see readEnvironment in ../config.ts, and PERIGEE_LOG_LEVEL (info).
 * Says `{"msg":"ready",…}` when it serves its edge. SIGTERM and SIGINT stop it, pods go on; exit code 0.
 * It exits with 1 when it cannot go on: its state is in use or broken, or a newer agent serves the edge.
 */
const log = pino({ name: "perigee-agent", level: process.env.PERIGEE_LOG_LEVEL ?? "info" });
const controller = new AbortController();
for (const name of ["SIGTERM", "SIGINT"] as const) {
  process.on(name, () => {
    if (!controller.signal.aborted) log.info({ signal: name }, "stopping");
    controller.abort();
  });
}
try {
  const environment = readEnvironment(process.env);
  const config = readConfig(environment.config, environment);
  const ready = (edge: string, epoch: number) => {
    // Whoever started us waits for this line, whatever the log level is
    pino({ name: "perigee-agent" }).info({ edge, epoch }, "ready");
  };
  await survive((signal) => runAgent(environment, config, log, signal, ready), {
    log,
    signal: controller.signal,
  });
  process.exit(0);
} catch (error) {
  log.fatal({ err: error }, "the agent cannot go on");
  process.exit(1);
}
