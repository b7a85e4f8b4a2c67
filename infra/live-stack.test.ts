import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { App } from "aws-cdk-lib";
import { Template } from "aws-cdk-lib/assertions";
import { AwsSolutionsChecks } from "cdk-nag";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addStacks, type GroundCode } from "./stacks.ts";

const { context: FLAGS } = JSON.parse(readFileSync(join(import.meta.dirname, "../cdk.json"), "utf8"));
const CERTIFICATE = "arn:aws:acm:eu-central-1:123456789012:certificate/0123abcd-0000-1111-2222-0123456789ab";
const LIVE = { live: "true", liveHost: "live.ground.example", certificateArn: CERTIFICATE };

// CDK's own check of templates only warns, which nothing here reads, and takes eight seconds to begin
process.env.CDK_VALIDATION = "false";

let folder: string;
let code: GroundCode;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "perigee-live-"));
  const image = join(folder, "image");
  mkdirSync(image);
  writeFileSync(join(folder, "index.mjs"), "export const handler = () => {};\n");
  copyFileSync(join(import.meta.dirname, "ground.Dockerfile"), join(image, "Dockerfile"));
  const lambda = join(folder, "lambda");
  mkdirSync(lambda);
  writeFileSync(join(lambda, "index.mjs"), "export const handler = () => {};\n");
  code = { api: lambda, janitor: lambda, image };
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function make(context: Record<string, unknown>) {
  const app = new App({ context: { ...FLAGS, ...context }, outdir: join(folder, "out") });
  const { ground, live } = addStacks(app, code);
  return { app, ground: Template.fromStack(ground), live: live && Template.fromStack(live) };
}

const made = new Map<string, ReturnType<typeof make>>();
/** Once for each context: the tests only read it, and a synthesis takes a second. */
function synthesize(context: Record<string, unknown> = LIVE) {
  const key = JSON.stringify(context);
  const known = made.get(key) ?? make(context);
  made.set(key, known);
  return known;
}

function only(template: Template | undefined, type: string) {
  const found = Object.values(template!.findResources(type));
  expect(found, type).toHaveLength(1);
  return found[0]!;
}

type Statement = { Action: string | string[]; Resource: unknown; Effect: string };

describe("off by default", () => {
  test("there is no container, and no Lambda knows of one", () => {
    const { ground, live } = synthesize({});
    expect(live).toBeUndefined();
    expect(JSON.stringify(ground.toJSON())).not.toContain("PERIGEE_LIVE_URL");
  });

  test.each([
    [{ ...LIVE, live: "yes" }, "live"],
    [{ ...LIVE, liveHost: undefined }, "liveHost"],
    [{ ...LIVE, liveHost: "https://live.ground.example" }, "liveHost"],
    [{ ...LIVE, liveHost: "live" }, "liveHost"],
    [{ ...LIVE, certificateArn: undefined }, "certificateArn"],
    [{ ...LIVE, certificateArn: "arn:aws:iam::123456789012:server-certificate/x" }, "certificateArn"],
  ])("a wrong or missing value is named: %j", (context, name) => {
    expect(() => synthesize(context)).toThrow(`-c ${name}=`);
  });
});

describe("the container", () => {
  test("AwsSolutions has no finding", () => {
    for (const context of [LIVE, { ...LIVE, architecture: "x86_64", retain: "false" }]) {
      const report = new AwsSolutionsChecks().validateScope(make(context).app);
      expect(report.violations).toEqual([]);
      expect(report.success).toBe(true);
    }
  });

  test("has the dialects that a server alone has", () => {
    const { live } = synthesize({ ...LIVE, dialects: "em,unik", lanes: "unik=4", unikHubs: "s3.example" });
    const [container] = only(live, "AWS::ECS::TaskDefinition").Properties.ContainerDefinitions;
    expect(container.Environment).toEqual(
      expect.arrayContaining([
        { Name: "PERIGEE_DIALECTS", Value: "em,unik" },
        { Name: "PERIGEE_LANES", Value: "unik=4" },
        { Name: "PERIGEE_UNIK_HUBS", Value: "s3.example" },
      ]),
    );
  });

  test("is one, and the old version ends before the new one begins", () => {
    const { Properties } = only(synthesize().live, "AWS::ECS::Service");
    expect(Properties).toMatchObject({
      DesiredCount: 1,
      DeploymentConfiguration: {
        MinimumHealthyPercent: 0,
        MaximumPercent: 100,
        DeploymentCircuitBreaker: { Enable: true, Rollback: true },
      },
      AvailabilityZoneRebalancing: "DISABLED",
    });
  });

  test("has the environment of the Lambdas, the same address of the relay, and no secret in it", () => {
    const { ground, live } = synthesize({ ...LIVE, publicHosts: "ground.example", kabutoUsers: 5 });
    const [container] = only(live, "AWS::ECS::TaskDefinition").Properties.ContainerDefinitions;
    const given = Object.fromEntries(
      container.Environment.map(({ Name, Value }: { Name: string; Value: unknown }) => [Name, Value]),
    );
    const lambdas = Object.values(ground.findResources("AWS::Lambda::Function"));
    for (const { Properties } of lambdas) {
      const { PERIGEE_STREAMING, ...variables } = Properties.Environment.Variables;
      expect(variables.PERIGEE_LIVE_URL).toBe("https://live.ground.example");
      expect(variables.PERIGEE_PUBLIC_HOSTS).toBe("ground.example,live.ground.example");
      expect(Object.keys(given)).toEqual(expect.arrayContaining(Object.keys(variables)));
      // what refers to the other stack's resources is written another way
      for (const [name, value] of Object.entries(variables)) {
        if (typeof value === "string") expect(given[name], name).toBe(value);
      }
    }
    expect(Object.keys(given)).toEqual(expect.arrayContaining(["AWS_REGION", "PERIGEE_TOKEN_SECRET"]));
    expect(JSON.stringify(live!.toJSON())).not.toMatch(/resolve:secretsmanager/);
  });

  test("may do what every ground may, and pull its image and log", () => {
    const { live } = synthesize();
    const roles = Object.entries(live!.findResources("AWS::IAM::Role"));
    const [task] = roles.filter(([name]) => /TaskRole/.test(name));
    const attached = JSON.stringify(task![1].Properties.ManagedPolicyArns);
    expect(task![1].Properties.ManagedPolicyArns).toHaveLength(1);
    expect(attached).toContain("AccessPolicy");
    const policies = Object.values(live!.findResources("AWS::IAM::Policy"));
    const statements: Statement[] = policies.flatMap(({ Properties }) => Properties.PolicyDocument.Statement);
    const actions = new Set(statements.flatMap(({ Action }) => Action));
    expect(actions).toEqual(
      new Set([
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetAuthorizationToken",
        "ecr:GetDownloadUrlForLayer",
        "logs:CreateLogStream",
        "logs:DescribeLogStreams",
        "logs:PutLogEvents",
      ]),
    );
    for (const { Action, Resource, Effect } of statements) {
      expect(Effect).toBe("Allow");
      if (JSON.stringify(Resource) === '"*"') expect(Action).toBe("ecr:GetAuthorizationToken");
      else expect(JSON.stringify(Resource)).not.toContain("*");
    }
  });

  test("is reached through the load balancer alone", () => {
    const { live } = synthesize();
    const rules = Object.values(live!.findResources("AWS::EC2::SecurityGroupIngress"));
    expect(rules.map(({ Properties }) => Properties)).toEqual([
      expect.objectContaining({ FromPort: 8080, ToPort: 8080, SourceSecurityGroupId: expect.anything() }),
    ]);
    const groups = Object.values(live!.findResources("AWS::EC2::SecurityGroup"));
    // as CloudFormation takes them; a quote it does not
    for (const { Properties } of groups) {
      expect(Properties.GroupDescription).toMatch(/^[a-zA-Z0-9,. _\-:/()#@[\]+=&;{}!$*]+$/);
    }
    const open = groups.flatMap(({ Properties }) => Properties.SecurityGroupIngress ?? []);
    expect(open).toEqual([expect.objectContaining({ CidrIp: "0.0.0.0/0", FromPort: 443, ToPort: 443 })]);
  });
});

test("the load balancer speaks TLS only, and lets a connection stand still for 4000 s; the server longer", () => {
  const { live } = synthesize();
  const listener = only(live, "AWS::ElasticLoadBalancingV2::Listener").Properties;
  expect(listener).toMatchObject({
    Port: 443,
    Protocol: "HTTPS",
    Certificates: [{ CertificateArn: CERTIFICATE }],
    SslPolicy: expect.stringMatching(/TLS13/),
  });
  const attributes = only(live, "AWS::ElasticLoadBalancingV2::LoadBalancer").Properties
    .LoadBalancerAttributes;
  expect(attributes).toContainEqual({ Key: "idle_timeout.timeout_seconds", Value: "4000" });
  expect(only(live, "AWS::ElasticLoadBalancingV2::TargetGroup").Properties).toMatchObject({
    HealthCheckPath: "/healthz",
    Protocol: "HTTP",
    TargetType: "ip",
  });
  const [container] = only(live, "AWS::ECS::TaskDefinition").Properties.ContainerDefinitions;
  expect(container.Environment).toContainEqual({ Name: "PERIGEE_KEEP_ALIVE_SECONDS", Value: "4060" });
});

test("an alarm says that no server answers, or none holds the relay's record, also when nothing is measured", () => {
  const { live } = synthesize({ ...LIVE, name: "orbit" });
  const { Properties } = only(live, "AWS::CloudWatch::Alarm");
  expect(Properties).toMatchObject({
    Threshold: 1,
    ComparisonOperator: "LessThanThreshold",
    TreatMissingData: "breaching",
  });
  expect(Properties.AlarmActions).toHaveLength(1);
  type Query = { Expression?: string; MetricStat?: { Metric: Record<string, unknown>; Period: number } };
  const queries: Query[] = Properties.Metrics;
  expect(queries.flatMap(({ Expression }) => Expression ?? [])).toEqual([
    "MIN([FILL(held, 0), FILL(healthy, 0)])",
  ]);
  const metrics = queries.flatMap(({ MetricStat }) => MetricStat ?? []);
  expect(metrics.map(({ Metric, Period }) => [Metric.Namespace, Metric.MetricName, Period])).toEqual([
    ["Perigee/orbit", "RelayHeld", 60],
    ["AWS/ApplicationELB", "HealthyHostCount", 60],
  ]);
  expect(only(live, "AWS::Logs::MetricFilter").Properties).toMatchObject({
    LogGroupName: {
      Ref: Object.keys(live!.findResources("AWS::Logs::LogGroup")).find((id) => id.startsWith("Logs")),
    },
    FilterPattern: "{ $.relayHeld IS TRUE }",
    MetricTransformations: [{ MetricNamespace: "Perigee/orbit", MetricName: "RelayHeld", MetricValue: "1" }],
  });
});

test("logs end, outputs say where to go and what the name has to point at, and no code but ours runs", () => {
  const { live } = synthesize();
  live!.allResourcesProperties("AWS::Logs::LogGroup", {});
  for (const { Properties } of Object.values(live!.findResources("AWS::Logs::LogGroup"))) {
    expect(Properties.RetentionInDays).toBeLessThanOrEqual(30);
  }
  const outputs = live!.toJSON().Outputs as Record<string, { Value: unknown }>;
  expect(outputs.LiveUrl!.Value).toBe("https://live.ground.example");
  expect(Object.keys(outputs)).toEqual(expect.arrayContaining(["LiveBalancer", "LiveLogs"]));
  const types = Object.values(live!.toJSON().Resources as Record<string, { Type: string }>);
  expect(types.filter(({ Type }) => /^Custom::|CustomResource|Lambda/.test(Type))).toEqual([]);
});
