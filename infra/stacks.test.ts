import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { App, Stack } from "aws-cdk-lib";
import { Match, Template } from "aws-cdk-lib/assertions";
import type { CfnBucket } from "aws-cdk-lib/aws-s3";
import { AwsSolutionsChecks } from "cdk-nag";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DIALECTS } from "#lambdas/dialects/index.ts";
import type { GroundBundles } from "./functions.ts";
import { GroundAccess } from "./ground-access.ts";
import { addStacks } from "./stacks.ts";
import { Storage } from "./storage.ts";

const { context: FLAGS } = JSON.parse(readFileSync(join(import.meta.dirname, "../cdk.json"), "utf8"));

// CDK's own check of templates only warns, which nothing here reads, and takes eight seconds to begin
process.env.CDK_VALIDATION = "false";

let folder: string;
let bundles: GroundBundles;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "perigee-infra-"));
  const code = join(folder, "code");
  mkdirSync(code);
  writeFileSync(join(code, "index.mjs"), "export const handler = () => {};\n");
  bundles = { api: code, janitor: code, worker: code };
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function make(context: Record<string, unknown>) {
  const app = new App({ context: { ...FLAGS, ...context }, outdir: join(folder, "out") });
  const { ground, edges } = addStacks(app, bundles);
  return { app, ground: Template.fromStack(ground), edges: edges.map((stack) => Template.fromStack(stack)) };
}

const made = new Map<string, ReturnType<typeof make>>();
/** Once for each context: the tests only read it, and a synthesis takes a second. */
function synthesize(context: Record<string, unknown> = { edges: "em1,em2" }) {
  const key = JSON.stringify(context);
  const known = made.get(key) ?? make(context);
  made.set(key, known);
  return known;
}

const WITH_OBJECTS = { edges: "em1", dialects: "em,fpga" };

type Statement = { Action: string | string[]; Resource: unknown; Effect: string };
type Policies = { name: string; statements: Statement[] }[];

function policies(template: Template): Policies {
  const all = {
    ...template.findResources("AWS::IAM::Policy"),
    ...template.findResources("AWS::IAM::ManagedPolicy"),
  };
  return Object.entries(all).map(([name, { Properties }]) => ({
    name,
    statements: Properties.PolicyDocument.Statement,
  }));
}

describe("AwsSolutions", () => {
  test.each([
    ["as it is deployed", { edges: "em1,em2", alarmEmail: "ops@example.com" }],
    ["with users' objects", WITH_OBJECTS],
    ["as emulators take it", { edges: "em1", runtime: "nodejs22.x", streaming: "false", retain: "false" }],
  ])("has no finding %s", (_, context) => {
    const { app } = make(context);
    const report = new AwsSolutionsChecks().validateScope(app);
    expect(report.violations).toEqual([]);
    expect(report.success).toBe(true);
  });

  test("a finding would be seen", () => {
    const app = new App({ context: FLAGS, outdir: join(folder, "found") });
    const { ground } = addStacks(app, bundles);
    (ground.storage.bucket.node.defaultChild as CfnBucket).loggingConfiguration = undefined;
    const report = new AwsSolutionsChecks().validateScope(app);
    expect(report.violations.map(({ ruleName }) => ruleName)).toContain("AwsSolutions-S1");
  });
});

describe("what is remembered", () => {
  test("the table can be restored, and outlives the stack", () => {
    const { ground } = synthesize();
    ground.hasResource("AWS::DynamoDB::Table", {
      DeletionPolicy: "Retain",
      Properties: {
        BillingMode: "PAY_PER_REQUEST",
        DeletionProtectionEnabled: true,
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
        TimeToLiveSpecification: { AttributeName: "ttl", Enabled: true },
        KeySchema: [
          { AttributeName: "pk", KeyType: "HASH" },
          { AttributeName: "sk", KeyType: "RANGE" },
        ],
      },
    });
  });

  test.each([
    [2, undefined],
    [3, WITH_OBJECTS],
  ])("every one of %i buckets is encrypted, shut to the public and to plain HTTP", (count, context) => {
    const { ground } = synthesize(context);
    const buckets = ground.findResources("AWS::S3::Bucket");
    expect(Object.keys(buckets)).toHaveLength(count);
    for (const [id, { Properties }] of Object.entries(buckets)) {
      expect(Properties.PublicAccessBlockConfiguration).toEqual({
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      });
      expect(Properties.BucketEncryption).toBeDefined();
      ground.hasResourceProperties("AWS::S3::BucketPolicy", {
        Bucket: { Ref: id },
        PolicyDocument: {
          Statement: Match.arrayWith([
            Match.objectLike({
              Effect: "Deny",
              Principal: { AWS: "*" },
              Condition: { Bool: { "aws:SecureTransport": "false" } },
            }),
          ]),
        },
      });
    }
  });

  test("a page may send files into staging by signed URLs, and into no other bucket", () => {
    const { ground } = synthesize(WITH_OBJECTS);
    const buckets = Object.entries(ground.findResources("AWS::S3::Bucket"));
    const open = buckets.filter(([, { Properties }]) => Properties.CorsConfiguration);
    expect(open.map(([id]) => id)).toEqual([expect.stringMatching(/^StorageStaging/)]);
    expect(open[0]![1].Properties.CorsConfiguration.CorsRules).toMatchObject([
      { AllowedMethods: ["GET", "HEAD", "PUT"], AllowedOrigins: ["*"] },
    ]);
  });

  test("an uplink is kept as long as history, for its edge may be out of contact; abandoned parts are not", () => {
    synthesize().ground.hasResourceProperties("AWS::S3::Bucket", {
      LifecycleConfiguration: {
        Rules: Match.arrayWith([
          Match.objectLike({ AbortIncompleteMultipartUpload: { DaysAfterInitiation: 2 } }),
          Match.objectLike({ Prefix: "uplink/", ExpirationInDays: 90 }),
          Match.objectLike({ Prefix: "downlink/", ExpirationInDays: 2 }),
        ]),
      },
    });
  });

  test("no rule ends what is kept as long as its owner's record", () => {
    const buckets = Object.values(synthesize().ground.findResources("AWS::S3::Bucket"));
    type Rule = { Id?: string; Prefix?: string; ExpirationInDays?: number };
    const rules = buckets
      .flatMap(({ Properties }) => Properties.LifecycleConfiguration.Rules as Rule[])
      .filter(({ ExpirationInDays }) => ExpirationInDays !== undefined);
    // one without a prefix is that of the bucket of access logs
    const prefixes = rules.flatMap(({ Prefix }) => (Prefix === undefined ? [] : [Prefix]));
    expect(prefixes.toSorted()).toEqual(["downlink/", "logs/", "uplink/"]);
  });

  test("the signing secret is generated there, and in no template, output or environment", () => {
    const { ground } = synthesize();
    ground.hasResourceProperties("AWS::SecretsManager::Secret", {
      GenerateSecretString: { PasswordLength: 64, ExcludePunctuation: true },
    });
    expect(JSON.stringify(ground.toJSON())).not.toMatch(/resolve:secretsmanager|SecretString":"/);
  });

  test("with retain=false everything goes with the stack", () => {
    const json = JSON.stringify(synthesize({ retain: "false" }).ground.toJSON());
    expect(json).not.toContain('"DeletionPolicy":"Retain"');
    expect(json).not.toContain('"DeletionProtectionEnabled":true');
  });
});

describe("least privilege", () => {
  const WILD = /\*/;
  /** The only wildcards, each as narrow as it can be. */
  const LISTED = [
    ['"/uplink/*"', "objects of staging"],
    ['"/downlink/*"', "objects of staging"],
    ['"/kept/*"', "objects of staging"],
    ['"/logs/*"', "objects of staging"],
    [':perigee_*"', "doorbells of this deployment"],
    ['"/fpga/*"', "objects of staging"],
    ['"/*"', "users' objects"],
  ] as const;

  test("no action is a wildcard, no resource but the listed ones", () => {
    const { ground, edges } = synthesize(WITH_OBJECTS);
    for (const { name, statements } of [ground, ...edges].flatMap(policies)) {
      for (const { Action, Resource, Effect } of statements) {
        expect(Effect).toBe("Allow");
        expect([Action].flat().join(), name).not.toMatch(WILD);
        for (const resource of [Resource].flat()) {
          const text = LISTED.reduce((rest, [listed]) => rest.replace(listed, '"'), JSON.stringify(resource));
          expect(text, name).not.toMatch(WILD);
        }
      }
    }
  });

  test("a ground reaches its own table, bucket, secret and doorbells; a Lambda its own log beside them", () => {
    const { ground } = synthesize();
    const [access] = policies(ground).filter(({ name }) => /^Access/.test(name));
    const services = (statements: Statement[]) =>
      new Set(statements.flatMap(({ Action }) => [Action].flat()).map((action) => action.split(":")[0]));
    expect(services(access!.statements)).toEqual(new Set(["dynamodb", "s3", "secretsmanager", "sqs"]));
    const logs = policies(ground).filter(({ name }) => /(?:Api|Janitor)Role/.test(name));
    expect(logs).toHaveLength(2);
    for (const { statements } of logs) expect(services(statements)).toEqual(new Set(["logs"]));
    const roles = Object.keys(ground.findResources("AWS::IAM::Role"));
    expect(roles).toHaveLength(2);
    ground.hasResourceProperties("AWS::IAM::ManagedPolicy", { Roles: roles.map((Ref) => ({ Ref })) });
    for (const { Properties } of Object.values(ground.findResources("AWS::IAM::Role"))) {
      expect(Properties.ManagedPolicyArns).toBeUndefined();
    }
    const rings = access!.statements.filter(({ Action }) =>
      [Action].flat().some((one) => one.startsWith("sqs:")),
    );
    expect(rings.map(({ Action }) => Action)).toEqual(["sqs:SendMessage"]);
  });

  test("an agent can listen at its own queue and do nothing else", () => {
    const [stack] = synthesize().edges;
    const queues = stack!.findResources("AWS::SQS::Queue");
    expect(Object.values(queues).map(({ Properties }) => Properties.QueueName)).toEqual([
      "perigee_em1",
      "perigee_em2",
    ]);
    const listen = policies(stack!);
    expect(listen).toHaveLength(2);
    for (const [i, { statements }] of listen.entries()) {
      expect(statements).toEqual([
        {
          Effect: "Allow",
          Action: ["sqs:DeleteMessage", "sqs:ReceiveMessage"],
          Resource: { "Fn::GetAtt": [Object.keys(queues)[i], "Arn"] },
        },
      ]);
    }
    stack!.resourceCountIs("AWS::IAM::User", 2);
    stack!.resourceCountIs("AWS::IAM::AccessKey", 0);
  });
});

describe("the code", () => {
  test("answers stream, waits as long as Lambda lets them, logs end", () => {
    const { ground } = synthesize();
    ground.hasResourceProperties("AWS::Lambda::Url", { AuthType: "NONE", InvokeMode: "RESPONSE_STREAM" });
    ground.hasResourceProperties("AWS::Lambda::Function", { Runtime: "nodejs24.x", Timeout: 900 });
    ground.allResourcesProperties("AWS::Logs::LogGroup", { RetentionInDays: 30 });
    ground.hasResourceProperties("AWS::Events::Rule", { ScheduleExpression: "rate(5 minutes)" });
  });

  test("dialects that are on, their widths and the public hosts are in the environment", () => {
    const environment = (context: Record<string, unknown>) => {
      const lambdas = Object.values(synthesize(context).ground.findResources("AWS::Lambda::Function"));
      return lambdas.map(({ Properties }) => Properties.Environment.Variables);
    };
    const consoles = (context: Record<string, unknown>) =>
      environment(context).map(({ PERIGEE_CONSOLE }) => PERIGEE_CONSOLE);
    expect([consoles({}), consoles({ console: "false" })]).toEqual([
      ["on", "on"],
      ["off", "off"],
    ]);
    for (const variables of environment({})) {
      expect(variables.PERIGEE_DIALECTS).toBe(DIALECTS.map(({ name }) => name).join());
      expect(Object.keys(variables).filter((name) => name.startsWith("PERIGEE_KABUTO"))).toEqual([]);
      expect(variables).not.toHaveProperty("PERIGEE_LANES");
      expect(variables).not.toHaveProperty("PERIGEE_PUBLIC_HOSTS");
    }
    const chosen = { dialects: "em", lanes: ["em=1"], publicHosts: "ground.example" };
    for (const variables of environment(chosen)) {
      expect(variables).toMatchObject({
        PERIGEE_DIALECTS: "em",
        PERIGEE_LANES: "em=1",
        PERIGEE_PUBLIC_HOSTS: "ground.example",
      });
    }
    const own = { kabutoRegistration: "open", kabutoEdges: ["em1", "em2"], kabutoUsers: 5 };
    for (const variables of environment(own)) {
      expect(variables).toMatchObject({
        PERIGEE_KABUTO_REGISTRATION: "open",
        PERIGEE_KABUTO_EDGES: "em1,em2",
        PERIGEE_KABUTO_USERS: "5",
      });
    }
    expect(() => synthesize({ kabutoRegistration: "opne" })).toThrow(
      'PERIGEE_KABUTO_REGISTRATION: "opne" is none of closed, open, confirm',
    );
    expect(() => synthesize({ dialects: "emm" })).toThrow('there is no dialect "emm"');
    // a Lambda that is told of a dialect that it has not does not start
    const server = { dialects: "em,unik", lanes: "em=1,unik=4", unikHubs: "s3.example", kabutoUsers: 5 };
    for (const variables of environment(server)) {
      expect(variables).toMatchObject({ PERIGEE_DIALECTS: "em", PERIGEE_LANES: "em=1" });
      expect(variables).not.toHaveProperty("PERIGEE_UNIK_HUBS");
    }
    expect(JSON.stringify(policies(synthesize(server).ground))).toContain("/hub/*");
    expect(() => synthesize({ dialects: "unik" })).toThrow("the Lambdas need one of em, ");
  });

  test("a dialect's prefixes of staging: access to them, and an end only where it says one", () => {
    const stack = new Stack(new App({ context: FLAGS }), "Test");
    const dialects = [
      { ...DIALECTS[0]!, stagingPrefixes: [{ prefix: "forever" }, { prefix: "weekly", expireDays: 7 }] },
    ];
    const storage = new Storage(stack, "Storage", { retain: false, dialects, objects: false });
    new GroundAccess(stack, "Access", { name: "perigee", dialects }, storage);
    const template = Template.fromStack(stack);
    const text = JSON.stringify(policies(template));
    for (const prefix of ["uplink", "forever", "weekly"]) expect(text).toContain(`/${prefix}/*`);
    const buckets = Object.values(template.findResources("AWS::S3::Bucket"));
    const rules = buckets.flatMap(({ Properties }) => Properties.LifecycleConfiguration.Rules);
    expect(rules).toContainEqual(expect.objectContaining({ Prefix: "weekly/", ExpirationInDays: 7 }));
    expect(rules.filter(({ Prefix }) => Prefix === "forever/")).toEqual([]);
  });

  test("no custom resource: nothing in the stack needs code that is not ours", () => {
    const { ground, edges } = synthesize();
    ground.resourceCountIs("AWS::Lambda::Function", 2);
    for (const stack of [ground, ...edges]) {
      const types = Object.values(stack.toJSON().Resources as Record<string, { Type: string }>);
      expect(types.filter(({ Type }) => /^Custom::|CloudFormation::CustomResource/.test(Type))).toEqual([]);
    }
  });

  test("where a dialect keeps users' objects there are a bucket, a secret, a worker and an alarm, and not elsewhere", () => {
    const { ground } = synthesize(WITH_OBJECTS);
    const buckets = Object.entries(ground.findResources("AWS::S3::Bucket"));
    const [[objects] = []] = buckets.filter(([id]) => /Objects/.test(id));
    const rules = buckets.find(([id]) => id === objects)?.[1].Properties.LifecycleConfiguration.Rules;
    expect(rules).toEqual([
      {
        Id: "abandoned-parts",
        Status: "Enabled",
        AbortIncompleteMultipartUpload: { DaysAfterInitiation: 2 },
      },
    ]);
    ground.resourceCountIs("AWS::SecretsManager::Secret", 2);
    const lambdas = Object.entries(ground.findResources("AWS::Lambda::Function"));
    expect(lambdas).toHaveLength(3);
    const [seals] = Object.keys(ground.findResources("AWS::SecretsManager::Secret")).filter((id) =>
      /SealSecret/.test(id),
    );
    for (const [id, { Properties }] of lambdas) {
      const { Variables } = Properties.Environment;
      expect(Variables).toMatchObject({
        PERIGEE_OBJECTS: { Ref: objects },
        PERIGEE_SEAL_SECRET: { Ref: seals },
      });
      // who does the work itself has nobody to wake
      expect("PERIGEE_WORKER" in Variables, id).toBe(!/Worker/.test(id));
    }
    ground.hasResourceProperties("AWS::Lambda::Function", {
      Timeout: 900,
      ReservedConcurrentExecutions: 2,
    });
    ground.hasResourceProperties("AWS::Lambda::EventInvokeConfig", { MaximumRetryAttempts: 0 });
    const [access] = policies(ground).filter(({ name }) => /^Access/.test(name));
    const [worker] = lambdas.find(([id]) => /Worker/.test(id)) ?? [];
    expect(access?.statements).toContainEqual({
      Effect: "Allow",
      Action: "lambda:InvokeFunction",
      Resource: { "Fn::GetAtt": [worker, "Arn"] },
    });
    ground.hasResourceProperties("AWS::CloudWatch::Alarm", {
      MetricName: "LongestSaving",
      Threshold: 3600,
      EvaluationPeriods: 6,
    });

    const without = synthesize().ground;
    without.resourceCountIs("AWS::SecretsManager::Secret", 1);
    without.resourceCountIs("AWS::Lambda::Function", 2);
    const text = JSON.stringify(without.toJSON());
    for (const word of ["LongestSaving", "PERIGEE_OBJECTS", "PERIGEE_WORKER"]) {
      expect(text).not.toContain(word);
    }
  });

  test("alarms say that edges are silent, commands wait, a lock is held, a Lambda fails or the janitor stopped", () => {
    const { ground } = synthesize({ silenceMinutes: "90", alarmEmail: "ops@example.com" });
    const alarms = Object.values(ground.findResources("AWS::CloudWatch::Alarm")).map(
      (alarm) => alarm.Properties,
    );
    const over = Object.fromEntries(alarms.map((alarm) => [alarm.MetricName, alarm.Threshold]));
    expect(over).toMatchObject({ LongestSilence: 5400, LongestWait: 3600, LongestLock: 3600, Errors: 0 });
    for (const alarm of alarms) expect(alarm.AlarmActions).toHaveLength(1);
    ground.hasResourceProperties("AWS::SNS::Subscription", {
      Protocol: "email",
      Endpoint: "ops@example.com",
    });
  });
});

describe("edges", () => {
  test("none: no stack of theirs", () => expect(synthesize({}).edges).toHaveLength(0));

  test("too many for one stack say what to do; spread, each has its place whoever else is there", () => {
    const many = Array.from({ length: 150 }, (_, i) => `em${i}`);
    expect(() => synthesize({ edges: many.join() })).toThrow("-c edgeStacks");
    const { edges } = synthesize({ edges: many.join(), edgeStacks: 3 });
    const names = edges.map((stack) =>
      Object.values(stack.findResources("AWS::SQS::Queue")).map(({ Properties }) => Properties.QueueName),
    );
    expect(names.flat().sort()).toEqual(many.map((edge) => `perigee_${edge}`).sort());
    const without = synthesize({ edges: many.slice(0, 149).join(), edgeStacks: 3 }).edges.map((stack) =>
      Object.values(stack.findResources("AWS::SQS::Queue")).map(({ Properties }) => Properties.QueueName),
    );
    for (const [i, stack] of without.entries()) expect(names[i]).toEqual(expect.arrayContaining(stack));
  });

  test.each([
    [{ edges: "em_1" }, "edges"],
    [{ name: "Perigee" }, "name"],
    [{ silenceMinutes: "soon" }, "silenceMinutes"],
    [{ streaming: "yes" }, "streaming"],
  ])("a wrong context value is named: %j", (context, name) => {
    expect(() => synthesize(context)).toThrow(`-c ${name}=`);
  });
});
