import { type App, CfnOutput, Duration, RemovalPolicy, Stack, type StackProps } from "aws-cdk-lib";
import {
  Alarm,
  ComparisonOperator,
  MathExpression,
  Stats,
  TreatMissingData,
} from "aws-cdk-lib/aws-cloudwatch";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import { FilterPattern, LogGroup, RetentionDays } from "aws-cdk-lib/aws-logs";
import { RELAY_HELD } from "#lambdas/live/relay/relay-place.ts";
import { METRICS_NAMESPACE } from "#lambdas/metrics/embedded-metrics.ts";
import type { GroundStack } from "./ground-stack.ts";
import { LiveBalancer } from "./live/balancer.ts";
import { LiveNetwork } from "./live/network.ts";
import { LiveService } from "./live/service.ts";
import type { LiveSettings, Settings } from "./settings.ts";

/** Minutes without a healthy server that holds the relay's record until the alarm; a new version is one or two without. */
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

    const period = Duration.minutes(1);
    // A server may answer and hold no record, and hold it and not be reached. A namespace of its own: a filter of log
    // lines can give no dimension that is not in the line
    const held = logs
      .addMetricFilter("RelayHeld", {
        filterPattern: FilterPattern.booleanValue(`$.${RELAY_HELD}`, true),
        metricNamespace: `${METRICS_NAMESPACE}/${settings.name}`,
        metricName: "RelayHeld",
        metricValue: "1",
      })
      .metric({ statistic: Stats.MAXIMUM, period });
    const healthy = targets.metrics.healthyHostCount({ statistic: Stats.MINIMUM, period });
    const alarm = new Alarm(this, "NoRelay", {
      metric: new MathExpression({
        expression: "MIN([FILL(held, 0), FILL(healthy, 0)])",
        usingMetrics: { held, healthy },
        label: "relay",
        period,
      }),
      threshold: 1,
      evaluationPeriods: NO_RELAY_MINUTES,
      comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
      treatMissingData: TreatMissingData.BREACHING,
      alarmDescription: `For ${NO_RELAY_MINUTES} minutes no server has answered or none has held the relay's record: no live sessions`,
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
