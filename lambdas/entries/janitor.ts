import { LIMITS } from "#protocol/limits.ts";
import { type EdgeHealth, edgeHealth, healthMetrics, laneMetrics } from "../metrics/edge-health.ts";
import { embeddedMetrics } from "../metrics/embedded-metrics.ts";
import { deployment, ground, log, timeLeft } from "./lambda-ground.ts";

/** Edges that are looked at at once. */
const AT_ONCE = 16;

/**
 * The janitor Lambda, on a schedule: the metrics that the alarms look at, then one round. Environment: see
 * lambda-ground.ts.
 */
export async function handler(
  _event: unknown,
  context: { getRemainingTimeInMillis(): number },
): Promise<void> {
  timeLeft.begin(context.getRemainingTimeInMillis());
  // First: a round that fails or takes too long must not silence the alarms.
  const health = await allEdges();
  for (const { edge, silenceMs, waitMs, lockMs } of health) {
    if ((silenceMs ?? 0) > LIMITS.contactMs || waitMs > LIMITS.abandonedMs || lockMs > LIMITS.abandonedMs) {
      log.warn({ edge, silenceMs, waitMs, lockMs }, "an edge is silent or busy for long");
    }
  }
  for (const [lane, metrics] of laneMetrics(health)) {
    console.log(embeddedMetrics(deployment, metrics, Date.now(), lane));
  }
  console.log(embeddedMetrics(deployment, healthMetrics(health, LIMITS.contactMs), Date.now()));
  for (const { dialect, core } of ground.dialects) {
    try {
      const metrics = await dialect.health?.(core);
      if (metrics) console.log(embeddedMetrics(deployment, metrics, Date.now()));
    } catch (err) {
      log.error({ err, dialect: dialect.name }, "a dialect's metrics cannot be told");
    }
  }
  await ground.janitor.round();
  console.log(embeddedMetrics(deployment, { JanitorRounds: { value: 1, unit: "Count" } }, Date.now()));
}

async function allEdges(): Promise<EdgeHealth[]> {
  const edges = (await ground.accounts.listEdges()).map(({ id }) => id);
  const health: EdgeHealth[] = [];
  while (edges.length > 0) {
    const now = Date.now();
    const some = edges.splice(0, AT_ONCE);
    health.push(...(await Promise.all(some.map((edge) => edgeHealth(ground.ledger, edge, now)))));
  }
  return health;
}
