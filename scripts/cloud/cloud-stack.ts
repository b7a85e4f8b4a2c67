import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { DynamoStore } from "#lambdas/adapters/dynamodb/store.ts";
import { Accounts } from "#lambdas/auth/accounts.ts";
import { Child, describeExit } from "../child.ts";
import { ensureLambdaImage } from "../localstack/lambda-runtime.ts";
import { type LocalStack, startLocalStack } from "../localstack/start.ts";
import { type Deployment, deployToEmulator, synthesize } from "./deployment.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const AGENT = join(ROOT, "agent/entries/agent.ts");
const AGENT_READY_MS = 180_000;
const AGENT_GRACE_MS = 60_000;

export type CloudStackOptions = {
  /** directory for everything; made when missing */
  dir: string;
  /** name and password of each user; all may use the edge */
  users: { name: string; password: string }[];
  /** as in DOCKER_HOST; absent: the agent finds its engine itself */
  dockerHost?: string;
  /** port of the API on this machine (default: any free one) */
  port?: number;
  /** further CDK context */
  context?: Record<string, string>;
  say(line: string): void;
  /** gives up starting */
  signal?: AbortSignal;
};

export type CloudStack = {
  /** address of the API */
  url: string;
  /** of the emulator */
  endpoint: string;
  deployment: Deployment;
  /** where the agent keeps everything */
  agentData: string;
  /** as it was last started */
  readonly agent: Child;
  /** Ends the agent and starts it anew with another way to the ground: the address of a server on the same table. */
  moveAgent(ground: string): Promise<void>;
  /** Stops the agent, destroys the deployment and ends the emulator; true when all of it went well. */
  stop(): Promise<boolean>;
};

/** The one edge of the stack. */
export const CLOUD_EDGE = "em1";

/**
 * The cloud on this machine: an emulator, the stacks deployed to it by CDK, users, and an agent that works on
 * the engine here and listens at its queue. On any failure what was started is taken down again.
 */
export async function startCloudStack(options: CloudStackOptions): Promise<CloudStack> {
  const { dir, say } = options;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const undo: { what: string; step: () => Promise<unknown> }[] = [];
  const stop = async () => {
    let clean = true;
    for (const { what, step } of undo.splice(0).reverse()) {
      await step().catch((error: unknown) => {
        clean = false;
        say(`${what} did not end cleanly: ${(error as Error).message}`);
      });
    }
    return clean;
  };
  const { signal } = options;
  const common = { dir, say, ...(signal && { signal }) };
  const { context } = options;
  const synthesis = synthesize({ ...common, edges: [CLOUD_EDGE], ...(context && { context }) });
  // whoever needs it hears of it
  synthesis.catch(() => {});
  undo.push({ what: "synth", step: () => synthesis });
  try {
    const localStack: LocalStack = await startLocalStack({ dir: join(dir, "localstack"), say });
    undo.push({ what: "the emulator", step: () => localStack.stop() });
    signal?.throwIfAborted();
    await ensureLambdaImage(say);
    const deployment = await deployToEmulator({
      ...common,
      endpoint: localStack.endpoint,
      synthesis: await synthesis,
      ...(options.port !== undefined && { port: options.port }),
    });
    undo.push({ what: "the deployment", step: () => deployment.destroy() });
    const token = await addUsers(deployment, options.users);
    const agentData = join(dir, "agent");
    let agent = await startAgent(options, deployment, { token, data: agentData, ground: deployment.url });
    const end = async () => {
      const exit = await agent.stop(AGENT_GRACE_MS);
      if (exit.code !== 0) throw new Error(describeExit(exit));
    };
    undo.push({ what: "the agent", step: () => end() });
    await ready(agent, signal);
    const moveAgent = async (ground: string) => {
      await end();
      agent = await startAgent(options, deployment, { token, data: agentData, ground });
      await ready(agent, signal);
    };
    say(`the ground answers at ${deployment.url}`);
    return {
      ...{ url: deployment.url, endpoint: localStack.endpoint, deployment, agentData, moveAgent, stop },
      get agent() {
        return agent;
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Makes the edge and its users, as the operator's verbs do. @returns the agent's token */
async function addUsers(deployment: Deployment, users: CloudStackOptions["users"]): Promise<string> {
  const clients = deployment.clients();
  const store = new DynamoStore({ client: clients.dynamo, table: deployment.outputs.TableName, ttl: true });
  try {
    const accounts = new Accounts(store);
    const { token } = await accounts.addEdge(CLOUD_EDGE);
    for (const { name, password } of users) await accounts.addUser(name, password, { edges: [CLOUD_EDGE] });
    return token;
  } finally {
    await store.close();
    for (const client of Object.values(clients)) client.destroy();
  }
}

async function startAgent(
  options: CloudStackOptions,
  deployment: Deployment,
  { token, data, ground }: { token: string; data: string; ground: string },
): Promise<Child> {
  const { dir, dockerHost, say } = options;
  const tokenFile = join(dir, `agent-${CLOUD_EDGE}.token`);
  writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
  const config = join(dir, "agent.json");
  const sqs = {
    queueUrl: deployment.queueUrl(CLOUD_EDGE),
    region: deployment.env.AWS_REGION,
    endpoint: deployment.env.AWS_ENDPOINT_URL,
  };
  writeFileSync(config, JSON.stringify({ doorbell: { sqs } }));
  const env = {
    ...process.env,
    ...deployment.env,
    ...(dockerHost && { DOCKER_HOST: dockerHost }),
    PERIGEE_GROUND: ground,
    PERIGEE_AGENT_TOKEN_FILE: tokenFile,
    PERIGEE_AGENT_DATA: data,
    PERIGEE_AGENT_CONFIG: config,
  };
  return Child.start("agent", [AGENT], env, (line) => say(`agent | ${line}`));
}

async function ready(agent: Child, signal: AbortSignal | undefined): Promise<void> {
  const late = AbortSignal.timeout(AGENT_READY_MS);
  const over = signal ? AbortSignal.any([late, signal]) : late;
  const given = Promise.withResolvers<never>();
  over.addEventListener("abort", () => given.reject(new Error("the agent was not ready in time")), {
    once: true,
  });
  await Promise.race([agent.ready, given.promise]);
}
