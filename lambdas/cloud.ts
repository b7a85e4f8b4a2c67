import { createHash, hkdfSync } from "node:crypto";
import type { Logger } from "pino";
import { LIMITS, MiB } from "#protocol/limits.ts";
import type { AwsClients } from "./adapters/aws/aws-clients.ts";
import { type AwsPlace, clientSettings } from "./adapters/aws/client-settings.ts";
import { clientsAtStart } from "./adapters/aws/clients-at-start.ts";
import { DynamoStore } from "./adapters/dynamodb/store.ts";
import { InvokedWorker } from "./adapters/lambda/invoked-worker.ts";
import { LateS3Staging } from "./adapters/s3/late-staging.ts";
import { s3Objects } from "./adapters/s3/objects.ts";
import { SqsDoorbell } from "./adapters/sqs/doorbell.ts";
import type { TokenKey } from "./auth/tokens.ts";
import { type CommonGroundOptions, createGround, type Ground, type GroundOptions } from "./ground.ts";
import type { OpenForeignBucket } from "./ports/foreign-buckets.ts";
import type { RepositoryFetcher } from "./ports/repository-fetcher.ts";

/** Names of what a deployment in AWS consists of. */
export type CloudPlaces = {
  /** the ledger's table: `pk`, `sk` (strings), TTL on `ttl` */
  table: string;
  /** staging's bucket */
  bucket: string;
  /** beginning of the edges' queues: of their URLs (then nobody need be asked), or of their names */
  queuePrefix: string;
  /** bucket of users' objects, where a dialect has them */
  objects?: string;
  /** address of the invocations of the Lambda that does the dialects' background work, where there is one */
  worker?: string;
  aws?: AwsPlace;
};

export type CloudOptions = CloudPlaces &
  CommonGroundOptions &
  Pick<GroundOptions, "tokens" | "sealKeys" | "pass" | "routes" | "repositories" | "recentAccountMs"> & {
    log: Logger;
    /** instead of clients made for `aws`; the ground destroys them when it closes */
    clients?: AwsClients;
  };

/** A Lambda takes bodies of 6 MB, in base64; and straight to S3 is the shorter way whoever serves. */
const PARTS_OVER = 4 * MiB;
/** When to look first for the end of a command where nothing is known yet of ones like it, in ms. */
const FIRST_LOOK_MS = 100;

/**
 * The ground on DynamoDB, S3 and SQS, for Lambdas and for a server. Several may serve one deployment at once:
 * they know of each other's changes by the ledger alone.
 */
export function createCloudGround(
  options: CloudOptions,
): Ground & { store: DynamoStore; close(): Promise<void> } {
  const { table, bucket, queuePrefix, objects, worker, aws = {}, clients, ...rest } = options;
  const { dynamo, sqs } = clients ?? clientsAtStart(aws);
  const elsewhere = aws.endpoint ?? process.env.AWS_ENDPOINT_URL;
  const store = new DynamoStore({ client: dynamo, table, ttl: true });
  const inBucket = (name: string) =>
    new LateS3Staging({
      client: async () => clients?.s3 ?? (await import("./adapters/aws/s3-client.ts")).s3Client(aws),
      bucket: name,
    });
  const staging = inBucket(bucket);
  const stored = objects === undefined ? undefined : inBucket(objects);
  const ground = createGround({
    recentAccountMs: LIMITS.recentAccountMs,
    partsOver: PARTS_OVER,
    ...rest,
    waiting: { eager: { first: FIRST_LOOK_MS }, ...rest.waiting },
    store,
    staging,
    ...(stored && { objects: s3Objects(stored, staging) }),
    doorbell: new SqsDoorbell({
      client: sqs,
      queuePrefix,
      onError: (error, edge) => rest.log.warn({ err: error, edge }, "the doorbell did not ring"),
    }),
    ...(worker !== undefined && {
      worker: new InvokedWorker({
        client: sqs,
        url: worker,
        ...(elsewhere && { endpoint: elsewhere }),
        onError: (error) => rest.log.warn({ err: error }, "the worker was not woken"),
      }),
    }),
  });
  return {
    ...ground,
    store,
    async close() {
      await store.close();
      await Promise.all([staging.close(), stored?.close()]);
      for (const client of [dynamo, sqs, clients?.s3]) client?.destroy();
    },
  };
}

/** Fetches repositories below a directory of its own, on a server: a Lambda has no program for that. */
export async function cloudRepositories(directory: string): Promise<RepositoryFetcher> {
  const { MercurialFetcher } = await import("./adapters/mercurial/fetcher.ts");
  return MercurialFetcher.open(directory);
}

/** Opens buckets of others, on a server: no Lambda has a dialect that does. */
export const cloudForeignBuckets: OpenForeignBucket = async (place, keys) =>
  (await import("./adapters/s3/foreign/bucket.ts")).openBucket(place, keys);

/**
 * PERIGEE_TABLE, PERIGEE_BUCKET, PERIGEE_QUEUE_PREFIX, PERIGEE_OBJECTS and PERIGEE_WORKER, the last two where there are any;
 * region, endpoint and credentials as the SDK finds them.
 * @throws Error that names what is missing
 */
export function cloudPlaces(env: NodeJS.ProcessEnv): CloudPlaces {
  const required = (name: string) => {
    const value = env[name];
    if (!value) throw new Error(`${name} is not set`);
    return value;
  };
  return {
    table: required("PERIGEE_TABLE"),
    bucket: required("PERIGEE_BUCKET"),
    queuePrefix: required("PERIGEE_QUEUE_PREFIX"),
    ...(env.PERIGEE_OBJECTS && { objects: env.PERIGEE_OBJECTS }),
    ...(env.PERIGEE_WORKER && { worker: env.PERIGEE_WORKER }),
  };
}

/**
 * The secrets that a ground reads when it first needs them, of the environment's PERIGEE_TOKEN_SECRET and, where users'
 * secrets are sealed, PERIGEE_SEAL_SECRET: names or ARNs in Secrets Manager.
 */
export function cloudSecrets(env: NodeJS.ProcessEnv): Pick<CloudOptions, "tokens" | "sealKeys"> {
  const { PERIGEE_TOKEN_SECRET: tokens = "", PERIGEE_SEAL_SECRET: seals } = env;
  return {
    tokens: () => loadTokenKeys(tokens),
    ...(seals && { sealKeys: () => loadSealKeys(seals) }),
  };
}

/**
 * The keys of the users' tokens, from a secret (name or ARN) in Secrets Manager: any text of 32 bytes or more.
 * Its current value signs; the one before is still accepted, so that a new value rotates the key.
 * @throws Error when there is no secret, or it is too short
 */
export async function loadTokenKeys(secretId: string, aws: AwsPlace = {}): Promise<TokenKey[]> {
  return (await readSecret(secretId, aws)).map(tokenKey);
}

/** The keys that seal users' secrets, made of the values of a secret, as {@link loadTokenKeys}. */
export async function loadSealKeys(secretId: string, aws: AwsPlace = {}): Promise<Uint8Array[]> {
  return (await readSecret(secretId, aws)).map(sealKey);
}

/** Its current value, then the one before where there is one. */
async function readSecret(secretId: string, aws: AwsPlace): Promise<string[]> {
  const { GetSecretValueCommand, SecretsManagerClient } = await import("@aws-sdk/client-secrets-manager");
  const client = new SecretsManagerClient(clientSettings(aws));
  const read = async (VersionStage: string) => {
    const get = new GetSecretValueCommand({ SecretId: secretId, VersionStage });
    return (await client.send(get)).SecretString ?? "";
  };
  try {
    const [current, before] = await Promise.all([
      read("AWSCURRENT"),
      read("AWSPREVIOUS").catch((error: Error) => {
        if (error.name === "ResourceNotFoundException") return undefined;
        throw error;
      }),
    ]);
    return [current, ...(before === undefined ? [] : [before])];
  } finally {
    client.destroy();
  }
}

function tokenKey(text: string): TokenKey {
  const kid = createHash("sha256").update(`kid of ${text}`).digest("hex").slice(0, 16);
  return { kid, secret: Buffer.from(text) };
}

/** @throws Error when the text is too short to make a key of */
function sealKey(text: string): Uint8Array {
  if (Buffer.byteLength(text) < 32) throw new Error("a secret that seals others has at least 32 bytes");
  return new Uint8Array(hkdfSync("sha256", text, "", "perigee seal", 32));
}
