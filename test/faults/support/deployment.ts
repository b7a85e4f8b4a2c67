import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SqliteStore } from "#lambdas/adapters/sqlite/store.ts";
import { Accounts } from "#lambdas/auth/accounts.ts";
import type { Client } from "#test/contract/support/client.ts";
import { logIn } from "#test/contract/support/log-in.ts";
import { filesBeneath } from "#test/support/files-beneath.ts";
import { program } from "#test/support/programs.ts";
import { QUICK_PASSWORDS } from "#test/support/quick-passwords.ts";
import { cleanEngine } from "../../../scripts/clean-engine.ts";
import { clientFor } from "../../../scripts/docker-engine.ts";
import { Mortal } from "./mortal.ts";

export const GROUND = program("server");
export const AGENT = program("agent");

/** The engine that the tests use; the global setup found it. */
export const docker = clientFor(process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock");

/** An edge with its agent's place on disk, and the one user it is granted to. */
export type Lane = {
  edge: string;
  token: string;
  user: string;
  password: string;
  uid: string;
  /** state of the agent, volumes */
  agentData: string;
  client: Client;
  agent: Mortal;
  /** path of a volume on the disk of the edge, where a test can look past the API */
  volume(name: string): string;
};

export type Deployment = {
  url: string;
  data: string;
  ground: Mortal;
  lanes: Lane[];
  /** files in the ground's staging, those of uploads under way too */
  staged(): string[];
  close(): Promise<void>;
};

/**
 * A real ground process, and for each of `edges` an agent process on the engine, all with a data directory of
 * their own. With `agents: false` the agents are only prepared. `program` is that of the ground (default {@link GROUND}).
 */
export async function deploy(
  edges: number,
  options: {
    agents?: boolean;
    program?: string;
    publicImages?: string[];
    /** settings of the ground */
    ground?: Record<string, string>;
    /** further configuration of the agents */
    agent?: object;
    /** the ground's address, and how the agents run behind it (default: all on this machine) */
    link?: { ground: string; onEdge: readonly string[] };
  } = {},
): Promise<Deployment> {
  const data = mkdtempSync(join(tmpdir(), "perigee-faults-"));
  const store = new SqliteStore(join(data, "ledger.sqlite"));
  const accounts = new Accounts(store, { passwordCost: QUICK_PASSWORDS });
  const prepared = await Promise.all(
    Array.from({ length: edges }, async (_, i) => {
      const edge = `edge${i}`;
      const user = { name: `user${i}`, password: randomBytes(12).toString("hex") };
      const { token } = await accounts.addEdge(edge);
      const { uid } = await accounts.addUser(user.name, user.password, { edges: [edge] });
      return { edge, token, user, uid };
    }),
  );
  await store.close();
  const port = await freePort();
  const host = options.link?.ground ?? "127.0.0.1";
  const url = `http://${host}:${port}`;
  const ground = new Mortal("ground", options.program ?? GROUND, join(data, "ground.kill"), {
    PERIGEE_DATA: data,
    PERIGEE_HOST: host,
    PERIGEE_PORT: String(port),
    ...options.ground,
  });
  const lanes: Lane[] = [];
  const close = async () => {
    await Promise.all(lanes.map(({ agent }) => agent.stop()));
    await ground.stop();
    for (const { agentData } of lanes) await cleanEngine(docker, agentData);
    rmSync(data, { recursive: true, force: true });
  };
  try {
    await ground.start();
    for (const { edge, token, user, uid } of prepared) {
      const agentData = join(data, edge);
      mkdirSync(agentData);
      writeFileSync(join(agentData, "token"), token, { mode: 0o600 });
      const publicImages = options.publicImages ?? ["busybox:latest"];
      const config = { publicImages, pollMs: 200, freeFloorBytes: 0, ...options.agent };
      writeFileSync(join(agentData, "config.json"), JSON.stringify(config));
      const env = {
        PERIGEE_GROUND: url,
        PERIGEE_AGENT_TOKEN_FILE: join(agentData, "token"),
        PERIGEE_AGENT_DATA: agentData,
        PERIGEE_AGENT_CONFIG: join(agentData, "config.json"),
      };
      const killFile = join(agentData, "kill");
      const agent = new Mortal(`agent of ${edge}`, AGENT, killFile, env, options.link?.onEdge);
      lanes.push({
        edge,
        token,
        user: user.name,
        password: user.password,
        uid,
        agentData,
        agent,
        client: await logIn(url, user),
        volume: (name) => join(agentData, "volumes", user.name, name),
      });
    }
    if (options.agents !== false) await Promise.all(lanes.map(({ agent }) => agent.start()));
    const staged = () => filesBeneath(join(data, "staging")).filter((path) => !path.endsWith(".lock"));
    return { url, data, ground, lanes, staged, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A port that was free a moment ago: a server that dies has to come back on the same one. */
function freePort(): Promise<number> {
  return new Promise((done, failed) => {
    const server = createServer();
    server.once("error", failed);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => done(port));
    });
  });
}
