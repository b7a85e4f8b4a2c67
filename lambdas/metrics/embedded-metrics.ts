/** Every metric of a deployment is here, with the one dimension `Deployment`. */
export const METRICS_NAMESPACE = "Perigee";

export type MetricUnit = "Count" | "Seconds";
export type MetricValue = { value: number; unit: MetricUnit };

/**
 * One line of log that CloudWatch turns into metrics (embedded metric format). Never a dimension for each
 * edge: CloudWatch bills every combination, and a thousand edges would cost more than all the rest.
 * @param at ms since 1970
 */
export function embeddedMetrics(
  deployment: string,
  metrics: Record<string, MetricValue>,
  at: number,
): string {
  return JSON.stringify({
    _aws: {
      Timestamp: at,
      CloudWatchMetrics: [
        {
          Namespace: METRICS_NAMESPACE,
          Dimensions: [["Deployment"]],
          Metrics: Object.entries(metrics).map(([Name, { unit }]) => ({ Name, Unit: unit })),
        },
      ],
    },
    Deployment: deployment,
    ...Object.fromEntries(Object.entries(metrics).map(([name, { value }]) => [name, value])),
  });
}
