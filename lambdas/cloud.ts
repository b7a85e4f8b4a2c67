import { createHash } from "node:crypto";
import type { Logger } from "pino";
import { LIMITS, MiB } from "#protocol/limits.ts";
import type { AwsClients } from "./adapters/aws/aws-clients.ts";
import { type AwsPlace, clientSettings } from "./adapters/aws/client-settings.ts";
import { clientsAtStart } from "./adapters/aws/clients-at-start.ts";
import { DynamoStore } from "./adapters/dynamodb/store.ts";
import { LateS3Staging } from "./adapters/s3/late-staging.ts";
import { SqsDoorbell } from "./adapters/sqs/doorbell.ts";
import type { TokenKey } from "./auth/tokens.ts";
import { type CommonGroundOptions, createGround, type Ground, type GroundOptions } from "./ground.ts";
import type { RepositoryFetcher } from "./ports/repository-fetcher.ts";

/** Names of what a deployment in AWS consists of. */
export type CloudPlaces = {
  /** the ledger's table: `pk`, `sk` (strings), TTL on `ttl` */
  table: string;
  /** staging's bucket */
  bucket: string;
  /** beginning of the edges' queues: of their URLs (then nobody need be asked), or of their names */
  queuePrefix: string;
  aws?: AwsPlace;
};

export type CloudOptions = CloudPlaces &
  CommonGroundOptions &
  Pick<GroundOptions, "tokens" | "pass" | "routes" | "repositories" | "recentAccountMs"> & {
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
  const { table, bucket, queuePrefix, aws = {}, clients, ...rest } = options;
  const { dynamo, sqs } = clients ?? clientsAtStart(aws);
  const store = new DynamoStore({ client: dynamo, table, ttl: true });
  const staging = new LateS3Staging({
    client: async () => clients?.s3 ?? (await import("./adapters/aws/s3-client.ts")).s3Client(aws),
    bucket,
  });
  const ground = createGround({
    recentAccountMs: LIMITS.recentAccountMs,
    partsOver: PARTS_OVER,
    ...rest,
    waiting: { eager: { first: FIRST_LOOK_MS }, ...rest.waiting },
    store,
    staging,
    doorbell: new SqsDoorbell({
      client: sqs,
      queuePrefix,
      onError: (error, edge) => rest.log.warn({ err: error, edge }, "the doorbell did not ring"),
    }),
  });
  return {
    ...ground,
    store,
    async close() {
      await store.close();
      await staging.close();
      for (const client of [dynamo, sqs, clients?.s3]) client?.destroy();
    },
  };
}

/** Fetches repositories below a directory of its own, on a server: a Lambda has no program for that. */
export async function cloudRepositories(directory: string): Promise<RepositoryFetcher> {
  const { MercurialFetcher } = await import("./adapters/mercurial/fetcher.ts");
  return MercurialFetcher.open(directory);
}

/**
 * PERIGEE_TABLE, PERIGEE_BUCKET, PERIGEE_QUEUE_PREFIX; region, endpoint and credentials as the SDK finds them.
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
  };
}

/**
 * The keys of the users' tokens, from a secret (name or ARN) in Secrets Manager: any text of 32 bytes or more.
 * Its current value signs; the one before is still accepted, so that a new value rotates the key.
 * @throws Error when there is no secret, or it is too short
 */
export async function loadTokenKeys(secretId: string, aws: AwsPlace = {}): Promise<TokenKey[]> {
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
    return [current, ...(before === undefined ? [] : [before])].map(tokenKey);
  } finally {
    client.destroy();
  }
}

function tokenKey(text: string): TokenKey {
  const kid = createHash("sha256").update(`kid of ${text}`).digest("hex").slice(0, 16);
  return { kid, secret: Buffer.from(text) };
}
