import { Duration } from "aws-cdk-lib";
import { Alarm, ComparisonOperator, Metric, Stats, TreatMissingData } from "aws-cdk-lib/aws-cloudwatch";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import type { Function as Lambda } from "aws-cdk-lib/aws-lambda";
import { Topic } from "aws-cdk-lib/aws-sns";
import { EmailSubscription } from "aws-cdk-lib/aws-sns-subscriptions";
import { Construct } from "constructs";
import { METRICS_NAMESPACE } from "#lambdas/metrics/embedded-metrics.ts";
import type { Settings } from "./settings.ts";

export type AlarmsProps = {
  settings: Settings;
  lambdas: Record<string, Lambda>;
  /** works at a bounded concurrency: that it is throttled is no fault */
  worker?: Lambda;
};

/** Two rounds of the janitor, which are 5 min apart, so that a late round raises no alarm. */
const PERIOD = Duration.minutes(10);
/** CloudWatch looks at a day at the most. */
const MOST_PERIODS = Duration.days(1).toMinutes() / PERIOD.toMinutes();

/** The alarms of a deployment, and the topic that they notify. */
export class Alarms extends Construct {
  readonly topic: Topic;

  constructor(scope: Construct, id: string, { settings, lambdas, worker }: AlarmsProps) {
    super(scope, id);
    this.topic = new Topic(this, "Topic", { enforceSSL: true });
    if (settings.alarmEmail) this.topic.addSubscription(new EmailSubscription(settings.alarmEmail));

    const { name, silenceMinutes, waitingMinutes } = settings;
    const worst = (metricName: string) =>
      new Metric({
        namespace: METRICS_NAMESPACE,
        metricName,
        dimensionsMap: { Deployment: name },
        statistic: Stats.MAXIMUM,
        period: PERIOD,
      });
    this.#over(
      "NoContact",
      worst("LongestSilence"),
      silenceMinutes * 60,
      `An edge was silent for ${silenceMinutes} minutes`,
    );
    this.#over(
      "CommandsWaiting",
      worst("LongestWait"),
      waitingMinutes * 60,
      `A command has waited for ${waitingMinutes} minutes`,
    );
    this.#over(
      "LockHeld",
      worst("LongestLock"),
      waitingMinutes * 60,
      `A command has held a lane's only place for ${waitingMinutes} minutes`,
    );
    if (worker) {
      this.#over("WorkerErrors", worker.metricErrors({ period: PERIOD }), 0, "The worker Lambda fails");
      // in every period, so that what has waited for contact has time when it comes
      this.#over(
        "ImagesSaving",
        worst("LongestSaving"),
        waitingMinutes * 60,
        `An FPGA image has been saving for ${waitingMinutes} minutes and more, while its edge was in contact`,
        Math.min(Math.ceil(waitingMinutes / PERIOD.toMinutes()), MOST_PERIODS),
      );
    }
    for (const [id, lambda] of Object.entries(lambdas)) {
      const title = id[0]!.toUpperCase() + id.slice(1);
      this.#over(`${title}Errors`, lambda.metricErrors({ period: PERIOD }), 0, `The ${id} Lambda fails`);
      this.#over(
        `${title}Throttles`,
        lambda.metricThrottles({ period: PERIOD }),
        0,
        `The ${id} Lambda is refused invocations: the account's concurrency is used up`,
      );
    }
    // Without the janitor's rounds there are no metrics, and no other alarm would be raised.
    const rounds = worst("JanitorRounds").with({ statistic: Stats.SUM, period: Duration.minutes(30) });
    const alarm = new Alarm(this, "JanitorStopped", {
      metric: rounds,
      threshold: 1,
      evaluationPeriods: 1,
      comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
      treatMissingData: TreatMissingData.BREACHING,
      alarmDescription: "The janitor has ended no round for 30 minutes",
    });
    alarm.addAlarmAction(new SnsAction(this.topic));
  }

  #over(id: string, metric: Metric, threshold: number, alarmDescription: string, periods = 1): void {
    const alarm = new Alarm(this, id, {
      metric,
      threshold,
      evaluationPeriods: periods,
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      treatMissingData: TreatMissingData.NOT_BREACHING,
      alarmDescription,
    });
    const action = new SnsAction(this.topic);
    alarm.addAlarmAction(action);
    alarm.addOkAction(action);
  }
}
