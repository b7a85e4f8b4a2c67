import { CfnOutput, Duration } from "aws-cdk-lib";
import { Policy, PolicyStatement, User } from "aws-cdk-lib/aws-iam";
import { Queue, QueueEncryption } from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";
import { acknowledge } from "./acknowledge.ts";

/** Name of an edge's queue; with an empty edge the prefix of all of them. Neither part contains a `_`. */
export function queueName(deployment: string, edge: string): string {
  return `${deployment}_${edge}`;
}

/**
 * The doorbell of one edge, and the identity of its agent, which may listen at this queue and do nothing
 * else. The identity has no access key: the operator makes one when the agent is set up (docs/deploy.md), so
 * that no secret is ever in a template.
 */
export class Doorbell extends Construct {
  constructor(scope: Construct, deployment: string, edge: string) {
    super(scope, edge);
    const queue = new Queue(this, "Queue", {
      queueName: queueName(deployment, edge),
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      // a ring only means "claim now", so an old one is useless
      retentionPeriod: Duration.minutes(5),
      receiveMessageWaitTime: Duration.seconds(20),
      visibilityTimeout: Duration.seconds(30),
    });
    acknowledge(queue, "SQS3", "A ring carries no truth: a lost one costs time and nothing else");

    const agent = new User(this, "Agent", { path: `/${deployment}/agents/` });
    new Policy(this, "Listen", {
      users: [agent],
      statements: [
        new PolicyStatement({
          actions: ["sqs:ReceiveMessage", "sqs:DeleteMessage"],
          resources: [queue.queueArn],
        }),
      ],
    });
    new CfnOutput(this, "QueueUrl", { value: queue.queueUrl, description: `Doorbell of ${edge}` });
    new CfnOutput(this, "AgentUser", {
      value: agent.userName,
      description: `IAM user of the agent of ${edge}`,
    });
  }
}
