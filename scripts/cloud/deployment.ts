import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type AwsClients, awsClients } from "#lambdas/adapters/aws/aws-clients.ts";
import { cdk } from "./cdk.ts";
import { emptyBucket } from "./empty-bucket.ts";
import { emulatorEnv } from "./emulator-env.ts";
import { serveFunctionUrl } from "./function-url.ts";

/** Nothing listens there */
const NOBODY = "http://127.0.0.1:9";
const SYNTH_MS = 6 * 60_000;
const BOOTSTRAP_MS = 9 * 60_000;
const DEPLOY_MS = 15 * 60_000;
const DESTROY_MS = 9 * 60_000;

type Common = {
  /** directory for what CDK leaves */
  dir: string;
  say(line: string): void;
  signal?: AbortSignal;
};

export type SynthesisOptions = Common & {
  /** begins the names of everything (default perigee) */
  name?: string;
  edges: string[];
  /** further CDK context */
  context?: Record<string, string>;
};

/** The stacks of this tree as CDK deploys them. */
export type Synthesis = { name: string; assembly: string };

export type DeploymentOptions = Common & {
  /** of the emulator */
  endpoint: string;
  /** what to deploy ({@link synthesize}) */
  synthesis: Synthesis;
  /** port of the address that stands for the function URL (default: any free one) */
  port?: number;
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
> &
  // where a dialect keeps users' objects
  Partial<
    Record<"ObjectsBucketName" | "SealSecretArn" | "WorkerFunction" | "WorkerLogs" | "WorkerUrl", string>
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
 * Makes what is deployed to an emulator: nobody is asked for it, so the emulator may start meanwhile.
 * @throws Error with the last lines of what failed
 */
export async function synthesize(options: SynthesisOptions): Promise<Synthesis> {
  const { dir, name = "perigee" } = options;
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
  const chosen = Object.entries(context).flatMap(([key, value]) => ["-c", `${key}=${value}`]);
  const args = ["synth", "--quiet", "--output", assembly, ...chosen];
  await timedCdk("synth", args, emulatorEnv(NOBODY), SYNTH_MS, options);
  return { name, assembly };
}

/**
 * Bootstraps an emulator and deploys what was synthesized to it.
 * @throws Error with the last lines of what failed
 */
export async function deployToEmulator(options: DeploymentOptions): Promise<Deployment> {
  const { endpoint, dir, say, signal } = options;
  const { name, assembly } = options.synthesis;
  const aws = emulatorEnv(endpoint);
  const outputsFile = join(dir, "outputs.json");
  const run = (what: string, args: string[], timeout: number, until = signal) =>
    timedCdk(what, args, aws, timeout, { say, ...(until && { signal: until }) });
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
      const buckets = [outputs.BucketName, outputs.ObjectsBucketName].filter((name) => name !== undefined);
      await Promise.all(buckets.map((name) => emptyBucket(s3, name))).finally(() => s3.destroy());
      // also when the run itself was given up
      const never = new AbortController().signal;
      await run("destroy", ["destroy", "--all", "--force", ...app], DESTROY_MS, never);
    },
  };
}

async function timedCdk(
  what: string,
  args: string[],
  aws: Record<string, string>,
  timeout: number,
  { say, signal }: Pick<Common, "say" | "signal">,
): Promise<void> {
  const start = performance.now();
  await cdk(args, { env: { ...process.env, ...aws }, timeout, say, ...(signal && { signal }) });
  say(`${what}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
}
