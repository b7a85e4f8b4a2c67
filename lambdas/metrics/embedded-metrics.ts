/** Every metric of a deployment is here, with the dimension `Deployment`, and those of a lane with `Lane` beside it. */
export const METRICS_NAMESPACE = "Perigee";

export type MetricUnit = "Count" | "Seconds";
export type MetricValue = { value: number; unit: MetricUnit };

/**
 * One line of log that CloudWatch turns into metrics (embedded metric format). Never a dimension for each
 * edge: CloudWatch bills every combination, and a thousand edges would cost more than all the rest. Lanes are few.
 * @param at ms since 1970
 * @param lane whose metrics they are (default: the deployment's)
 */
export function embeddedMetrics(
  deployment: string,
  metrics: Record<string, MetricValue>,
  at: number,
  lane?: string,
): string {
  return JSON.stringify({
    _aws: {
      Timestamp: at,
      CloudWatchMetrics: [
        {
          Namespace: METRICS_NAMESPACE,
          Dimensions: [["Deployment", ...(lane === undefined ? [] : ["Lane"])]],
          Metrics: Object.entries(metrics).map(([Name, { unit }]) => ({ Name, Unit: unit })),
        },
      ],
    },
    Deployment: deployment,
    ...(lane !== undefined && { Lane: lane }),
    ...Object.fromEntries(Object.entries(metrics).map(([name, { value }]) => [name, value])),
  });
}
