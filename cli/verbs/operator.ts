import type { Command } from "commander";
import { dataDirectory } from "../operator-data.ts";
import { registerEdgeProviders } from "./edge-providers.ts";
import { registerVmImages } from "./edge-vm-images.ts";
import { registerOperatorEdge } from "./operator-edge.ts";
import { registerUser } from "./operator-user.ts";
import { registerPoseidon } from "./poseidon.ts";
import { registerSecret } from "./secret.ts";
import { registerWindow } from "./window.ts";

/** The operator's verbs: they act on `PERIGEE_DATA` or `PERIGEE_TABLE`, not over HTTP, also while the server runs. */
export function registerOperatorVerbs(program: Command): void {
  registerUser(program);
  const edge = registerOperatorEdge(program);
  registerVmImages(edge, () => import("#agent/entries/vm-images.ts"));
  registerEdgeProviders(edge);
  registerPoseidon(program);
  registerWindow(program);
  registerSecret(program);
  program
    .command("server")
    .description("operator: run the ground (settings: environment, see docs/operations.md)")
    .option("--data <directory>", "where everything lives (default: PERIGEE_DATA, else .perigee)")
    .option("--port <port>", "port (default: PERIGEE_PORT, else 8080; 0 = any free one)")
    .option("--host <host>", "address to listen on (default: PERIGEE_HOST, else 127.0.0.1)")
    .action(async (options: { data?: string; port?: string; host?: string }) => {
      process.env.PERIGEE_DATA = dataDirectory(options.data);
      if (options.port !== undefined) process.env.PERIGEE_PORT = options.port;
      if (options.host !== undefined) process.env.PERIGEE_HOST = options.host;
      await import("#lambdas/entries/server.ts");
    });
  program
    .command("agent")
    .description("operator: run the agent of an edge (settings: environment, see docs/operations.md)")
    .option("--ground <url>", "address of the ground (default: PERIGEE_GROUND)")
    .option("--token-file <file>", "file with the agent's token (default: PERIGEE_AGENT_TOKEN_FILE)")
    .option("--data <directory>", "its state and volumes (default: PERIGEE_AGENT_DATA)")
    .option("--config <file>", "its configuration (default: PERIGEE_AGENT_CONFIG)")
    .action(async (options: { ground?: string; tokenFile?: string; data?: string; config?: string }) => {
      const given: Record<string, string | undefined> = {
        PERIGEE_GROUND: options.ground,
        PERIGEE_AGENT_TOKEN_FILE: options.tokenFile,
        PERIGEE_AGENT_DATA: options.data,
        PERIGEE_AGENT_CONFIG: options.config,
      };
      for (const [name, value] of Object.entries(given)) if (value !== undefined) process.env[name] = value;
      await import("#agent/entries/agent.ts");
    });
}
