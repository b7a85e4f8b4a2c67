import { Duration, RemovalPolicy } from "aws-cdk-lib";
import { Rule, Schedule } from "aws-cdk-lib/aws-events";
import { LambdaFunction } from "aws-cdk-lib/aws-events-targets";
import { Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
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
import type { GroundAccess } from "./ground-access.ts";
import { groundEnvironment } from "./ground-environment.ts";
import type { Settings } from "./settings.ts";
import type { Storage } from "./storage.ts";

/** Lambda's maximum. A call waits until shortly before it, then it is answered with 202. */
const API_TIMEOUT = Duration.minutes(15);
const JANITOR_TIMEOUT = Duration.minutes(5);
const JANITOR_EVERY = Duration.minutes(5);
/** MiB. It determines the share of a processor: half a core hashes a password in well under a second. */
const API_MEMORY = 1024;
const JANITOR_MEMORY = 512;

export type FunctionsProps = {
  settings: Settings;
  storage: Storage;
  access: GroundAccess;
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
      // the app checks the tokens of users and agents
      authType: FunctionUrlAuthType.NONE,
      invokeMode: settings.streaming ? InvokeMode.RESPONSE_STREAM : InvokeMode.BUFFERED,
    });
    new Rule(this, "JanitorSchedule", {
      schedule: Schedule.rate(JANITOR_EVERY),
      targets: [new LambdaFunction(this.janitor, { retryAttempts: 0 })],
    });
  }

  #lambda(id: string, directory: string, memorySize: number, timeout: Duration): Lambda {
    const { settings, storage, access } = this.#props;
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
      environment: {
        ...groundEnvironment(settings, storage),
        PERIGEE_STREAMING: String(settings.streaming),
      },
    });
    logGroup.grantWrite(role);
    access.policy.attachToRole(role);
    if (settings.runtime !== Runtime.NODEJS_24_X.name) {
      acknowledge(lambda, "L1", "An earlier runtime was asked for with -c runtime");
    }
    return lambda;
  }
}
