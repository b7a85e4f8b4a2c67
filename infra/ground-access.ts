import { ArnFormat, Stack } from "aws-cdk-lib";
import { ManagedPolicy, PolicyStatement } from "aws-cdk-lib/aws-iam";
import type { Function as Lambda } from "aws-cdk-lib/aws-lambda";
import type { CfnBucket } from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";
import { acknowledge } from "./acknowledge.ts";
import { queueName } from "./doorbell.ts";
import type { Settings } from "./settings.ts";
import type { Storage } from "./storage.ts";

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
/** The roots of staging's keys (lambdas/ports/staging.ts). */
const OWN_PREFIXES = ["uplink", "downlink", "logs", "kept"];

/**
 * The permissions of a ground, wherever it runs: for its Lambdas, and for the role of a container that serves the same
 * deployment.
 */
export class GroundAccess extends Construct {
  readonly policy: ManagedPolicy;

  constructor(scope: Construct, id: string, settings: Pick<Settings, "name" | "dialects">, storage: Storage) {
    super(scope, id);
    const { name: deployment, dialects } = settings;
    const prefixes = [
      ...OWN_PREFIXES,
      ...dialects.flatMap(({ stagingPrefixes = [] }) => stagingPrefixes.map(({ prefix }) => prefix)),
    ];
    const { table, bucket, tokenSecret, objects: beside } = storage;
    const stack = Stack.of(this);
    const queue = queueName(deployment, "*");
    const doorbells = stack.formatArn({
      service: "sqs",
      resource: queue,
      arnFormat: ArnFormat.NO_RESOURCE_NAME,
    });
    const objects = prefixes.map((prefix) => bucket.arnForObjects(`${prefix}/*`));
    const allow = (actions: string[], ...resources: string[]) => new PolicyStatement({ actions, resources });
    this.policy = new ManagedPolicy(this, "Policy", {
      description: `A ground of the deployment ${deployment}: its table, staging, doorbells and token secret`,
      statements: [
        allow(TABLE_ACTIONS, table.tableArn),
        allow(BUCKET_ACTIONS, bucket.bucketArn),
        allow(OBJECT_ACTIONS, ...objects),
        allow(["sqs:SendMessage"], doorbells),
        allow(
          ["secretsmanager:GetSecretValue"],
          tokenSecret.secretArn,
          ...(beside ? [beside.sealSecret.secretArn] : []),
        ),
        ...(beside
          ? [
              allow(BUCKET_ACTIONS, beside.bucket.bucketArn),
              allow(OBJECT_ACTIONS, beside.bucket.arnForObjects("*")),
            ]
          : []),
      ],
    });
    if (beside) {
      acknowledge(
        this.policy,
        `IAM5[Resource::<${stack.getLogicalId(beside.bucket.node.defaultChild as CfnBucket)}.Arn>/*]`,
        "The bucket holds users' objects alone, by user: none of them is known before",
      );
    }
    const bucketId = stack.getLogicalId(bucket.node.defaultChild as CfnBucket);
    for (const prefix of prefixes) {
      acknowledge(
        this.policy,
        `IAM5[Resource::<${bucketId}.Arn>/${prefix}/*]`,
        "Objects are named by user and command: the prefix is as exact as it can be",
      );
    }
    acknowledge(
      this.policy,
      `IAM5[Resource::arn:<AWS::Partition>:sqs:<AWS::Region>:<AWS::AccountId>:${queue}]`,
      "Rings the doorbell of any edge of this deployment, those to come too; it may only send",
    );
  }

  /** Every ground may wake the worker. */
  allowWaking(worker: Lambda): void {
    const wake = { actions: ["lambda:InvokeFunction"], resources: [worker.functionArn] };
    this.policy.addStatements(new PolicyStatement(wake));
  }
}
