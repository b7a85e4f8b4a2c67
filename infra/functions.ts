import { Duration, RemovalPolicy } from "aws-cdk-lib";
import { Rule, Schedule } from "aws-cdk-lib/aws-events";
import { LambdaFunction } from "aws-cdk-lib/aws-events-targets";
import { Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import {
  Architecture,
  Code,
  type EventInvokeConfigOptions,
  type FunctionProps,
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
import { lambdaEnvironment, workerEnvironment } from "./ground-environment.ts";
import type { Settings } from "./settings.ts";
import type { Storage } from "./storage.ts";

/** Lambda's maximum. A call waits until shortly before it, then it is answered with 202. */
const API_TIMEOUT = Duration.minutes(15);
const JANITOR_TIMEOUT = Duration.minutes(5);
const JANITOR_EVERY = Duration.minutes(5);
/** MiB. It determines the share of a processor: half a core hashes a password in well under a second. */
const API_MEMORY = 1024;
const JANITOR_MEMORY = 512;
/** Lambda's maximum: a file of 512 MiB takes a minute, what it leaves the next one takes. */
const WORKER_TIMEOUT = Duration.minutes(15);
const WORKER_MEMORY = 1024;
const WORKERS_AT_ONCE = 2;
/** An invocation that finds both at work for so long is dropped: those take what it was about. */
const WORKER_WAIT = Duration.minutes(10);

/** Directories with the bundles, each an `index.mjs`; the worker's where dialects have work for it. */
export type GroundBundles = { api: string; janitor: string; worker?: string };

export type FunctionsProps = {
  settings: Settings;
  storage: Storage;
  access: GroundAccess;
  bundles: GroundBundles;
};

/** The ground's code: the API behind a function URL, the janitor on its schedule, and the worker that both wake. */
export class Functions extends Construct {
  readonly api: Lambda;
  readonly janitor: Lambda;
  readonly worker?: Lambda;
  readonly url: FunctionUrl;
  readonly #props: FunctionsProps;

  constructor(scope: Construct, id: string, props: FunctionsProps) {
    super(scope, id);
    this.#props = props;
    const { bundles, settings, access } = props;
    if (settings.objects) {
      const { worker: code } = bundles;
      if (code === undefined) throw new Error("where users' objects are kept the worker's bundle is needed");
      this.worker = this.#lambda("Worker", code, {
        memorySize: WORKER_MEMORY,
        timeout: WORKER_TIMEOUT,
        reservedConcurrentExecutions: WORKERS_AT_ONCE,
        // what fails is asked for again by the janitor
        retryAttempts: 0,
        maxEventAge: WORKER_WAIT,
      });
      access.allowWaking(this.worker);
    }
    this.api = this.#lambda("Api", bundles.api, { memorySize: API_MEMORY, timeout: API_TIMEOUT });
    this.janitor = this.#lambda("Janitor", bundles.janitor, {
      memorySize: JANITOR_MEMORY,
      timeout: JANITOR_TIMEOUT,
    });
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

  #lambda(
    id: string,
    directory: string,
    own: Pick<FunctionProps, "timeout" | "memorySize"> &
      EventInvokeConfigOptions & { reservedConcurrentExecutions?: number },
  ): Lambda {
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
      ...own,
      logGroup,
      role,
      environment: {
        ...lambdaEnvironment(settings, storage),
        ...workerEnvironment(this.worker),
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
