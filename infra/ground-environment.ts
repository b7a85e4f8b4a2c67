import { Stack } from "aws-cdk-lib";
import type { Function as Lambda } from "aws-cdk-lib/aws-lambda";
import { ON_LAMBDAS } from "#lambdas/dialects/index.ts";
import { checkedSettings } from "#lambdas/dialects/own-settings.ts";
import { commaList } from "#protocol/comma-list.ts";
import { queueName } from "./doorbell.ts";
import type { Settings } from "./settings.ts";
import type { Storage } from "./storage.ts";

/** What a ground of this deployment is told by its environment (lambdas/cloud.ts), wherever it runs. */
export function groundEnvironment(settings: Settings, storage: Storage): Record<string, string> {
  const { name, quota, dialects, lanes, publicHosts, own, live, endpoint, console } = settings;
  return {
    PERIGEE_TABLE: storage.table.tableName,
    PERIGEE_BUCKET: storage.bucket.bucketName,
    PERIGEE_QUEUE_PREFIX: queueUrlPrefix(storage, name),
    PERIGEE_TOKEN_SECRET: storage.tokenSecret.secretArn,
    PERIGEE_DEPLOYMENT: name,
    ...(quota !== undefined && { PERIGEE_QUOTA: String(quota) }),
    PERIGEE_DIALECTS: dialects.map((dialect) => dialect.name).join(),
    PERIGEE_CONSOLE: console ? "on" : "off",
    ...(lanes && { PERIGEE_LANES: lanes }),
    ...(publicHosts && {
      PERIGEE_PUBLIC_HOSTS: [...publicHosts.split(","), ...(live ? [live.host] : [])].join(),
    }),
    ...own,
    ...(live && { PERIGEE_LIVE_URL: `https://${live.host}` }),
    ...(endpoint && { AWS_ENDPOINT_URL: endpoint }),
    ...(storage.objects && {
      PERIGEE_OBJECTS: storage.objects.bucket.bucketName,
      PERIGEE_SEAL_SECRET: storage.objects.sealSecret.secretArn,
    }),
  };
}

/** {@link groundEnvironment} of a Lambda: what is of the dialects that a server alone has is not for it. */
export function lambdaEnvironment(settings: Settings, storage: Storage): Record<string, string> {
  const dialects = settings.dialects.filter((dialect) => ON_LAMBDAS.includes(dialect));
  const others = settings.dialects.filter((dialect) => !dialects.includes(dialect));
  const { lanes, own, ...rest } = settings;
  const noLanes = new Set(others.flatMap((dialect) => dialect.lanes.map(({ name }) => name)));
  const widths = commaList(lanes).filter((width) => !noLanes.has(width.split("=")[0]!));
  const ofLambdas = { ...rest, dialects, lanes: widths.join(), own: checkedSettings(dialects, own) };
  return groundEnvironment(ofLambdas, storage);
}

/** What a ground is told that has its background work done by `worker`. */
export function workerEnvironment(worker: Lambda | undefined): Record<string, string> {
  if (!worker) return {};
  const { region, urlSuffix } = Stack.of(worker);
  const path = `2015-03-31/functions/${worker.functionName}/invocations`;
  return { PERIGEE_WORKER: `https://lambda.${region}.${urlSuffix}/${path}` };
}

/** Prefix of the URLs of the doorbells, as SQS forms them, so that no request is needed to find one. */
export function queueUrlPrefix(storage: Storage, deployment: string): string {
  const { region, account, urlSuffix } = Stack.of(storage);
  return `https://sqs.${region}.${urlSuffix}/${account}/${queueName(deployment, "")}`;
}
