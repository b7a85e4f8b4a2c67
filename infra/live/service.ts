import { Duration, Stack } from "aws-cdk-lib";
import { Platform } from "aws-cdk-lib/aws-ecr-assets";
import {
  AvailabilityZoneRebalancing,
  Cluster,
  ContainerImage,
  ContainerInsights,
  CpuArchitecture,
  FargateService,
  FargateTaskDefinition,
  LogDrivers,
  OperatingSystemFamily,
} from "aws-cdk-lib/aws-ecs";
import { ManagedPolicy } from "aws-cdk-lib/aws-iam";
import type { LogGroup } from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";
import { acknowledge } from "../acknowledge.ts";
import { groundEnvironment, workerEnvironment } from "../ground-environment.ts";
import type { GroundStack } from "../ground-stack.ts";
import type { Settings } from "../settings.ts";
import { IDLE } from "./balancer.ts";
import { type LiveNetwork, SERVER_PORT } from "./network.ts";

/** CPU units (1024 = 1 vCPU) and MiB of the task. */
const CPU = 512;
const MEMORY = 1024;
/** Until a server that was told to stop is killed; it needs 5 s at most. */
const STOP = Duration.seconds(30);

export type LiveServiceProps = {
  settings: Settings;
  ground: GroundStack;
  network: LiveNetwork;
  logs: LogGroup;
  /** directory of the image's Dockerfile and all it copies (scripts/ground-image.ts) */
  image: string;
};

/** The server's image as one task, never two: a deployment has one relay, so a new version stops the old task first. */
export class LiveService extends Construct {
  readonly service: FargateService;

  constructor(scope: Construct, id: string, { settings, ground, network, logs, image }: LiveServiceProps) {
    super(scope, id);
    const arm = settings.architecture === "arm64";
    const cluster = new Cluster(this, "Cluster", {
      vpc: network.vpc,
      containerInsightsV2: ContainerInsights.DISABLED,
    });
    acknowledge(
      cluster,
      "ECS4",
      "One task: the load balancer's metrics and the server's own say what is needed",
    );
    const task = new FargateTaskDefinition(this, "Task", {
      cpu: CPU,
      memoryLimitMiB: MEMORY,
      runtimePlatform: {
        cpuArchitecture: arm ? CpuArchitecture.ARM64 : CpuArchitecture.X86_64,
        operatingSystemFamily: OperatingSystemFamily.LINUX,
      },
    });
    const policy = ManagedPolicy.fromManagedPolicyArn(this, "Access", ground.access.policy.managedPolicyArn);
    task.taskRole.addManagedPolicy(policy);
    task.addContainer("Ground", {
      image: ContainerImage.fromAsset(image, { platform: arm ? Platform.LINUX_ARM64 : Platform.LINUX_AMD64 }),
      portMappings: [{ containerPort: SERVER_PORT }],
      logging: LogDrivers.awsLogs({ logGroup: logs, streamPrefix: "ground" }),
      stopTimeout: STOP,
      environment: {
        ...groundEnvironment(settings, ground.storage),
        ...workerEnvironment(ground.functions.worker),
        AWS_REGION: Stack.of(this).region,
        PERIGEE_PORT: String(SERVER_PORT),
        // a connection that the load balancer believes to be open must be: it ends them first
        PERIGEE_KEEP_ALIVE_SECONDS: String(IDLE.toSeconds() + 60),
      },
    });
    acknowledge(task, "ECS2", "Names and addresses, no secrets: the server reads its secret by its ARN");
    acknowledge(task, "IAM5[Resource::*]", "ecr:GetAuthorizationToken knows no resource");
    this.service = new FargateService(this, "Service", {
      cluster,
      taskDefinition: task,
      desiredCount: 1,
      minHealthyPercent: 0,
      maxHealthyPercent: 100,
      availabilityZoneRebalancing: AvailabilityZoneRebalancing.DISABLED,
      circuitBreaker: { enable: true, rollback: true },
      assignPublicIp: true,
      securityGroups: [network.server],
      healthCheckGracePeriod: Duration.seconds(60),
    });
  }
}
