import { type App, CfnOutput, Stack, type StackProps } from "aws-cdk-lib";
import { Alarms } from "./alarms.ts";
import { queueName } from "./doorbell.ts";
import { Functions, type GroundBundles } from "./functions.ts";
import { GroundAccess } from "./ground-access.ts";
import { queueUrlPrefix, workerEnvironment } from "./ground-environment.ts";
import type { Settings } from "./settings.ts";
import { Storage } from "./storage.ts";

/** The ground: its storage, its functions and its alarms. */
export class GroundStack extends Stack {
  readonly storage: Storage;
  readonly access: GroundAccess;
  readonly functions: Functions;
  readonly alarms: Alarms;

  constructor(app: App, id: string, settings: Settings, bundles: GroundBundles, props: StackProps) {
    super(app, id, props);
    this.storage = new Storage(this, "Storage", settings);
    const { storage } = this;
    this.access = new GroundAccess(this, "Access", settings, storage);
    const { access } = this;
    this.functions = new Functions(this, "Functions", { settings, storage, access, bundles });
    const { api, janitor, worker, url } = this.functions;
    this.alarms = new Alarms(this, "Alarms", {
      settings,
      lambdas: { api, janitor },
      ...(worker && { worker }),
    });

    const output = (name: string, value: string, description: string) =>
      new CfnOutput(this, name, { value, description }).overrideLogicalId(name);
    output("Url", url.url, "Where users and agents find the ground: PERIGEE_URL, PERIGEE_GROUND");
    output("TableName", storage.table.tableName, "The ledger: PERIGEE_TABLE of the operator's verbs");
    output("BucketName", storage.bucket.bucketName, "Staging");
    output("QueuePrefix", queueName(settings.name, ""), "Begins the name of every doorbell queue");
    output(
      "QueueUrlPrefix",
      queueUrlPrefix(storage, settings.name),
      "PERIGEE_QUEUE_PREFIX of a ground in a container",
    );
    output("GroundPolicyArn", access.policy.managedPolicyArn, "For the role of a ground in a container");
    output("TokenSecretArn", storage.tokenSecret.secretArn, "The secret that signs users' tokens");
    output("ApiFunction", api.functionName, "The Lambda behind Url");
    output("JanitorFunction", janitor.functionName, "The Lambda on a schedule");
    output("ApiLogs", api.logGroup.logGroupName, "Log of the API");
    output(
      "JanitorLogs",
      janitor.logGroup.logGroupName,
      "Log of the janitor, with the edges that alarms are about",
    );
    if (storage.objects && worker) {
      output("ObjectsBucketName", storage.objects.bucket.bucketName, "Users' buckets: PERIGEE_OBJECTS");
      output("SealSecretArn", storage.objects.sealSecret.secretArn, "The secret that seals access keys");
      output("WorkerFunction", worker.functionName, "The Lambda that checks users' files");
      output("WorkerLogs", worker.logGroup.logGroupName, "Log of the worker");
      output(
        "WorkerUrl",
        workerEnvironment(worker).PERIGEE_WORKER!,
        "PERIGEE_WORKER of a ground in a container that leaves the work to the Lambda",
      );
    }
  }
}
