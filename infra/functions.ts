import { ArnFormat, Duration, RemovalPolicy, Stack } from "aws-cdk-lib";
import { Rule, Schedule } from "aws-cdk-lib/aws-events";
import { LambdaFunction } from "aws-cdk-lib/aws-events-targets";
import { PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import {
  Architecture,
  Code,
  type FunctionUrl,
  FunctionUrlAuthType,
  InvokeMode,
  Function as Lambda,
  Runtime,
  RuntimeFamily,
} from "aws-cdk-lib/aws-lambda";
import { LogGroup, RetentionDays } from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";
import { acknowledge } from "./acknowledge.ts";
import { queueName } from "./doorbell.ts";
import type { Settings } from "./settings.ts";
import type { Storage } from "./storage.ts";

/** Lambda's longest; a call waits until shortly before, then it is answered 202. */
const API_TIMEOUT = Duration.minutes(15);
const JANITOR_TIMEOUT = Duration.minutes(5);
const JANITOR_EVERY = Duration.minutes(5);
/** MiB. With it comes the processor: half a core hashes a password in well under a second. */
const API_MEMORY = 1024;
const JANITOR_MEMORY = 512;

/** What one Lambda may do with the table and, per prefix, with the bucket. */
const TABLE_ACTIONS = [
  "dynamodb:BatchGetItem",
  "dynamodb:ConditionCheckItem",
  "dynamodb:DeleteItem",
  "dynamodb:GetItem",
  "dynamodb:PutItem",
  "dynamodb:Query",
  "dynamodb:UpdateItem",
];
const OBJECT_ACTIONS = [
  "s3:AbortMultipartUpload",
  "s3:DeleteObject",
  "s3:GetObject",
  "s3:ListMultipartUploadParts",
  "s3:PutObject",
];
const BUCKET_ACTIONS = ["s3:ListBucket", "s3:ListBucketMultipartUploads"];
const PREFIXES = ["uplink", "downlink", "logs"];

export type FunctionsProps = {
  settings: Settings;
  storage: Storage;
  /** directories with the bundles, each an `index.mjs` */
  bundles: { api: string; janitor: string };
};

/** The ground's code: the API behind a function URL, and the janitor on its schedule. */
export class Functions extends Construct {
  readonly api: Lambda;
  readonly janitor: Lambda;
  readonly url: FunctionUrl;
  readonly #props: FunctionsProps;

  constructor(scope: Construct, id: string, props: FunctionsProps) {
    super(scope, id);
    this.#props = props;
    const { bundles, settings } = props;
    this.api = this.#lambda("Api", bundles.api, API_MEMORY, API_TIMEOUT);
    this.janitor = this.#lambda("Janitor", bundles.janitor, JANITOR_MEMORY, JANITOR_TIMEOUT);
    this.url = this.api.addFunctionUrl({
      // users and agents come with tokens of ours, which the app checks
      authType: FunctionUrlAuthType.NONE,
      invokeMode: settings.streaming ? InvokeMode.RESPONSE_STREAM : InvokeMode.BUFFERED,
    });
    new Rule(this, "JanitorSchedule", {
      schedule: Schedule.rate(JANITOR_EVERY),
      targets: [new LambdaFunction(this.janitor, { retryAttempts: 0 })],
    });
  }

  #lambda(id: string, directory: string, memorySize: number, timeout: Duration): Lambda {
    const { settings, storage } = this.#props;
    const logGroup = new LogGroup(this, `${id}Logs`, {
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: settings.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    const role = new Role(this, `${id}Role`, { assumedBy: new ServicePrincipal("lambda.amazonaws.com") });
    const lambda = new Lambda(this, id, {
      runtime: new Runtime(settings.runtime, RuntimeFamily.NODEJS),
      architecture: settings.architecture === "arm64" ? Architecture.ARM_64 : Architecture.X86_64,
      code: Code.fromAsset(directory),
      handler: "index.handler",
      memorySize,
      timeout,
      logGroup,
      role,
      environment: this.#environment(),
    });
    logGroup.grantWrite(role);
    this.#grant(role, storage);
    if (settings.runtime !== Runtime.NODEJS_24_X.name) {
      acknowledge(lambda, "L1", "An earlier runtime was asked for with -c runtime");
    }
    return lambda;
  }

  #environment(): Record<string, string> {
    const { settings, storage } = this.#props;
    return {
      PERIGEE_TABLE: storage.table.tableName,
      PERIGEE_BUCKET: storage.bucket.bucketName,
      PERIGEE_QUEUE_PREFIX: this.#queueUrlPrefix(),
      PERIGEE_TOKEN_SECRET: storage.tokenSecret.secretArn,
      PERIGEE_STREAMING: String(settings.streaming),
      PERIGEE_DEPLOYMENT: settings.name,
      NODE_OPTIONS: "--enable-source-maps",
      ...(settings.quota !== undefined && { PERIGEE_QUOTA: String(settings.quota) }),
      ...(settings.endpoint && { AWS_ENDPOINT_URL: settings.endpoint }),
    };
  }

  /** Beginning of the URLs of the doorbells, as SQS forms them: so nobody need be asked for one. */
  #queueUrlPrefix(): string {
    const { region, account, urlSuffix } = Stack.of(this);
    return `https://sqs.${region}.${urlSuffix}/${account}/${queueName(this.#props.settings.name, "")}`;
  }

  #grant(role: Role, { table, bucket, tokenSecret }: Storage): void {
    const { name } = this.#props.settings;
    const doorbells = Stack.of(this).formatArn({
      service: "sqs",
      resource: queueName(name, "*"),
      arnFormat: ArnFormat.NO_RESOURCE_NAME,
    });
    role.addToPolicy(new PolicyStatement({ actions: TABLE_ACTIONS, resources: [table.tableArn] }));
    role.addToPolicy(new PolicyStatement({ actions: BUCKET_ACTIONS, resources: [bucket.bucketArn] }));
    const objects = PREFIXES.map((prefix) => bucket.arnForObjects(`${prefix}/*`));
    role.addToPolicy(new PolicyStatement({ actions: OBJECT_ACTIONS, resources: objects }));
    role.addToPolicy(new PolicyStatement({ actions: ["sqs:SendMessage"], resources: [doorbells] }));
    role.addToPolicy(
      new PolicyStatement({ actions: ["secretsmanager:GetSecretValue"], resources: [tokenSecret.secretArn] }),
    );
    for (const prefix of PREFIXES) {
      acknowledge(
        role,
        `IAM5[Resource::<${Stack.of(this).getLogicalId(bucket.node.defaultChild as never)}.Arn>/${prefix}/*]`,
        "Objects are named by user and command: the prefix is as exact as it can be",
      );
    }
    acknowledge(
      role,
      `IAM5[Resource::arn:<AWS::Partition>:sqs:<AWS::Region>:<AWS::AccountId>:${queueName(name, "*")}]`,
      "Rings the doorbell of any edge of this deployment, those to come too; it may only send",
    );
  }
}
