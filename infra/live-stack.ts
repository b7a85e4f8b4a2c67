import { type App, CfnOutput, RemovalPolicy, Stack, type StackProps } from "aws-cdk-lib";
import { Alarm, ComparisonOperator, Stats, TreatMissingData } from "aws-cdk-lib/aws-cloudwatch";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import { LogGroup, RetentionDays } from "aws-cdk-lib/aws-logs";
import type { GroundStack } from "./ground-stack.ts";
import { LiveBalancer } from "./live/balancer.ts";
import { LiveNetwork } from "./live/network.ts";
import { LiveService } from "./live/service.ts";
import type { LiveSettings, Settings } from "./settings.ts";

/** Minutes without a healthy server until the alarm; a new version is one or two without. */
const NO_RELAY_MINUTES = 5;

/**
 * The ground as one container, beside the Lambdas and on the same table, bucket and queues: it has the relay of live
 * sessions, which no Lambda can have, and serves every other route too. Off by default (`-c live=true`).
 */
export class LiveStack extends Stack {
  constructor(
    app: App,
    id: string,
    options: { settings: Settings; live: LiveSettings; ground: GroundStack; image: string },
    props: StackProps,
  ) {
    super(app, id, props);
    const { settings, live, ground, image } = options;
    const logs = new LogGroup(this, "Logs", {
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: settings.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    const network = new LiveNetwork(this, "Network", settings);
    const { service } = new LiveService(this, "Service", { settings, ground, network, logs, image });
    const { balancer, targets } = new LiveBalancer(this, "Balancer", { ...live, network, service });

    const healthy = targets.metrics.healthyHostCount({ statistic: Stats.MINIMUM });
    const alarm = new Alarm(this, "NoRelay", {
      metric: healthy,
      threshold: 1,
      evaluationPeriods: NO_RELAY_MINUTES,
      comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
      treatMissingData: TreatMissingData.BREACHING,
      alarmDescription: `No server has answered for ${NO_RELAY_MINUTES} minutes: there are no live sessions`,
    });
    const action = new SnsAction(ground.alarms.topic);
    alarm.addAlarmAction(action);
    alarm.addOkAction(action);

    const output = (name: string, value: string, description: string) =>
      new CfnOutput(this, name, { value, description }).overrideLogicalId(name);
    output("LiveUrl", `https://${live.host}`, "Where clients of live sessions and of Poseidon go");
    output("LiveBalancer", balancer.loadBalancerDnsName, `What the name ${live.host} has to point at`);
    output("LiveLogs", logs.logGroupName, "Log of the container");
  }
}
