import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Hono } from "hono";
import type { Logger } from "pino";
import { openDirectoryObjects } from "./adapters/directory/objects.ts";
import { DirectoryStaging } from "./adapters/directory/staging.ts";
import { stagingRoutes } from "./adapters/directory/staging-routes.ts";
import { doorbellRoutes } from "./adapters/long-poll/doorbell-routes.ts";
import { MemoryDoorbell } from "./adapters/long-poll/memory-doorbell.ts";
import { MercurialFetcher } from "./adapters/mercurial/fetcher.ts";
import { SqliteStore } from "./adapters/sqlite/store.ts";
import { loadSecrets } from "./auth/secrets.ts";
import { type CommonGroundOptions, createGround, type Ground } from "./ground.ts";
import { soleRelay } from "./live/open-relay.ts";

export type EmbeddedOptions = CommonGroundOptions & {
  /** directory in which everything lives */
  data: string;
  log: Logger;
  /** bytes that stay free on the disk of staging (default LIMITS.freeFloorBytes) */
  freeFloorBytes?: number;
};

/** The ground on one machine: SQLite ledger, directory staging, doorbell over HTTP. */
export async function createEmbeddedGround(
  options: EmbeddedOptions,
): Promise<Ground & { store: SqliteStore; close(): Promise<void> }> {
  const { data, freeFloorBytes, ...rest } = options;
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const secrets = await loadSecrets(data);
  const store = new SqliteStore(join(data, "ledger.sqlite"));
  const staging = await DirectoryStaging.open(join(data, "staging"), {
    secret: secrets.staging,
    ...(freeFloorBytes !== undefined && { freeFloorBytes }),
  });
  const objects = rest.dialects?.some(({ keepsObjects }) => keepsObjects)
    ? await openDirectoryObjects(join(data, "objects"), staging, {
        secret: secrets.staging,
        ...(freeFloorBytes !== undefined && { freeFloorBytes }),
      })
    : undefined;
  const repositories = await MercurialFetcher.open(join(data, "repositories"));
  const doorbell = new MemoryDoorbell();
  const ground = createGround({
    // what it takes, the SDK for the most part, is loaded with the first one
    foreignBuckets: async (place, keys) =>
      (await import("./adapters/s3/foreign/bucket.ts")).openBucket(place, keys),
    ...rest,
    store,
    staging,
    doorbell,
    repositories,
    ...(objects && { objects }),
    tokens: secrets.tokens,
    sealKeys: secrets.seals,
    // the only server of this data
    live: { relay: soleRelay, ...rest.live },
    routes: {
      open: [
        stagingRoutes(staging, {
          onError: (error) => rest.log.error({ err: error }, "staging failed"),
        }) as unknown as Hono,
      ],
      agent: [doorbellRoutes(doorbell) as unknown as Hono],
    },
  });
  return { ...ground, store, close: () => store.close() };
}
