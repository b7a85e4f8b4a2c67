import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type AwsClients, awsClients } from "#lambdas/adapters/aws/aws-clients.ts";
import { cdk } from "./cdk.ts";
import { emptyBucket } from "./empty-bucket.ts";
import { emulatorEnv } from "./emulator-env.ts";
import { serveFunctionUrl } from "./function-url.ts";

const SYNTH_MS = 6 * 60_000;
const BOOTSTRAP_MS = 9 * 60_000;
const DEPLOY_MS = 15 * 60_000;
const DESTROY_MS = 9 * 60_000;

export type DeploymentOptions = {
  /** of the emulator */
  endpoint: string;
  /** directory for what CDK leaves */
  dir: string;
  /** begins the names of everything (default perigee) */
  name?: string;
  edges: string[];
  /** port of the address that stands for the function URL (default: any free one) */
  port?: number;
  /** further CDK context */
  context?: Record<string, string>;
  say(line: string): void;
  signal?: AbortSignal;
};

/** Outputs of the ground's stack, see infra/ground-stack.ts. */
export type GroundOutputs = Record<
  | "Url"
  | "TableName"
  | "BucketName"
  | "QueuePrefix"
  | "QueueUrlPrefix"
  | "TokenSecretArn"
  | "ApiFunction"
  | "JanitorFunction"
  | "ApiLogs"
  | "JanitorLogs",
  string
>;

export type Deployment = {
  /** address of the API on this machine */
  url: string;
  outputs: GroundOutputs;
  /** for the SDK, and the operator's verbs of the CLI */
  env: Record<string, string>;
  /** clients of the emulator; who asks for them destroys them */
  clients(): AwsClients;
  /** URL of the doorbell of an edge */
  queueUrl(edge: string): string;
  /** Takes everything down again. */
  destroy(): Promise<void>;
};

/**
 * Bootstraps an emulator and deploys the stacks of this tree to it.
 * @throws Error with the last lines of what failed
 */
export async function deployToEmulator(options: DeploymentOptions): Promise<Deployment> {
  const { endpoint, dir, say, signal, name = "perigee" } = options;
  const aws = emulatorEnv(endpoint);
  const outputsFile = join(dir, "outputs.json");
  const context = {
    name,
    edges: options.edges.join(),
    // what emulators know and can; nothing stays when the stacks go
    runtime: "nodejs22.x",
    architecture: process.arch === "arm64" ? "arm64" : "x86_64",
    streaming: "false",
    retain: "false",
    ...options.context,
  };
  const assembly = join(dir, "cdk.out");
  const run = async (what: string, args: string[], timeout: number, until = signal) => {
    const start = performance.now();
    await cdk(args, { env: { ...process.env, ...aws }, timeout, say, ...(until && { signal: until }) });
    say(`${what}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
  };
  const chosen = Object.entries(context).flatMap(([key, value]) => ["-c", `${key}=${value}`]);
  await run("synth", ["synth", "--quiet", "--output", assembly, ...chosen], SYNTH_MS);
  // from here on what was synthesized, whatever happens to the tree meanwhile
  const app = ["--app", assembly];
  await run("bootstrap", ["bootstrap", ...app], BOOTSTRAP_MS);
  const deploy = ["deploy", "--all", "--require-approval", "never", "--progress", "events"];
  await run("deploy", [...deploy, "--outputs-file", outputsFile, ...app], DEPLOY_MS);

  const all = JSON.parse(readFileSync(outputsFile, "utf8")) as Record<string, Record<string, string>>;
  const outputs = all[`${name}-ground`] as GroundOutputs;
  const clients = () =>
    awsClients({
      endpoint,
      region: aws.AWS_REGION!,
      credentials: { accessKeyId: aws.AWS_ACCESS_KEY_ID!, secretAccessKey: aws.AWS_SECRET_ACCESS_KEY! },
    });
  const queues = Object.values(all[`${name}-edges`] ?? {}).filter((value) =>
    value.includes(outputs.QueuePrefix),
  );
  const api = await serveFunctionUrl({
    endpoint,
    functionName: outputs.ApiFunction,
    say,
    ...(options.port !== undefined && { port: options.port }),
  });
  return {
    url: api.url,
    outputs,
    env: { ...aws, PERIGEE_TABLE: outputs.TableName, PERIGEE_QUEUE_PREFIX: outputs.QueuePrefix },
    clients,
    queueUrl(edge) {
      const url = queues.find((queue) => queue.endsWith(`/${outputs.QueuePrefix}${edge}`));
      if (!url) throw new Error(`edge ${edge} was not deployed`);
      return url;
    },
    async destroy() {
      await api.close();
      const { s3 } = clients();
      await emptyBucket(s3, outputs.BucketName).finally(() => s3.destroy());
      // also when the run itself was given up
      const never = new AbortController().signal;
      await run("destroy", ["destroy", "--all", "--force", ...app], DESTROY_MS, never);
    },
  };
}
