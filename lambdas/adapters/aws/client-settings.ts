import { type PooledAgentsOptions, pooledAgents } from "./pooled-agents.ts";

/**
 * Region, endpoint and credentials of AWS. What is absent comes from the SDK's default chain (AWS_REGION,
 * AWS_ENDPOINT_URL, the role of a Lambda or container, …).
 */
export type AwsPlace = {
  region?: string;
  endpoint?: string;
  credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
};

/** A connection on which nothing is received for this long (ms) is given up, and the request is retried. */
const SILENCE_MS = 10_000;
const ATTEMPTS = 4;

/**
 * Settings for one client: connections are kept alive, idle time and retries are bounded, and waiting for a connection
 * of the pool does not count as idle time. Each client needs settings of its own, since it destroys its pool.
 */
export function clientSettings(place: AwsPlace, pool?: PooledAgentsOptions) {
  return {
    ...(place.region && { region: place.region }),
    ...(place.endpoint && { endpoint: place.endpoint }),
    ...(place.credentials && { credentials: place.credentials }),
    maxAttempts: ATTEMPTS,
    requestHandler: { socketTimeout: SILENCE_MS, ...pooledAgents(pool) },
  };
}
