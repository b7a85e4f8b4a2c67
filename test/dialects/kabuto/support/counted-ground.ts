import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Hono } from "hono";
import { pino } from "pino";
import { DirectoryStaging } from "#lambdas/adapters/directory/staging.ts";
import { stagingRoutes } from "#lambdas/adapters/directory/staging-routes.ts";
import { ReadBatch } from "#lambdas/adapters/dynamodb/read-batch.ts";
import { createGround } from "#lambdas/ground.ts";
import type { Item, Key, LedgerStore } from "#lambdas/ports/ledger-store.ts";
import type { Staging } from "#lambdas/ports/staging.ts";
import { serveGround } from "#lambdas/serve-ground.ts";
import { LIMITS } from "#protocol/limits.ts";
import { MemoryTable } from "#test/support/memory-store.ts";
import { QUICK_PASSWORDS } from "#test/support/quick-passwords.ts";

/** Requests to S3 of each method of staging; those that are not here make none. */
const STAGING: Record<string, readonly string[]> = {
  put: ["PutObject"],
  get: ["GetObject"],
  pieces: ["GetObject"],
  head: ["HeadObject"],
  remove: ["DeleteObject"],
  list: ["ListObjectsV2"],
  listNames: ["ListObjectsV2"],
  usage: ["ListObjectsV2"],
  deletePrefix: ["ListObjectsV2", "DeleteObjects", "ListMultipartUploads"],
};

/**
 * A ground on memory and a directory whose `calls` are the requests that the same ground makes in AWS: its reads of one
 * turn of the event loop are one, as the DynamoDB adapter has it, and signing is none. Its clock stands still.
 */
export async function startCountedGround() {
  const data = await mkdtemp(join(tmpdir(), "perigee-counted-"));
  const calls: string[] = [];
  const secret = Buffer.alloc(32, 7);
  // what the process remembers for some seconds, it remembers for the whole test
  const at = Date.now();
  const directory = await DirectoryStaging.open(join(data, "staging"), { secret });
  const ground = createGround({
    store: counted(new MemoryTable().open(), calls),
    staging: countedStaging(directory, calls),
    doorbell: { ring: async () => void calls.push("SendMessage") },
    tokens: [{ kid: "test", secret }],
    passwordCost: QUICK_PASSWORDS,
    log: pino({ level: "silent" }),
    now: () => at,
    recentAccountMs: LIMITS.recentAccountMs,
    routes: { open: [stagingRoutes(directory, { onError: () => {} }) as unknown as Hono], agent: [] },
  });
  const served = await serveGround(ground, { host: "127.0.0.1", port: 0 });
  return {
    url: served.url,
    ground,
    calls,
    async stop() {
      await served.close(0);
      await rm(data, { recursive: true, force: true });
    },
  };
}

function counted(inner: LedgerStore, calls: string[]): LedgerStore {
  const reads = new ReadBatch<Key, Item<unknown> | undefined>((keys) => {
    calls.push(keys.length > 1 ? `BatchGetItem of ${keys.length}` : `GetItem ${keys[0]!.pk} ${keys[0]!.sk}`);
    return Promise.all(keys.map((key) => inner.get(key)));
  });
  return {
    get: <T>(key: Key) => reads.get(key) as Promise<Item<T> | undefined>,
    query(query) {
      calls.push(`Query ${query.pk}`);
      return inner.query(query);
    },
    transact(writes) {
      calls.push(`TransactWriteItems of ${writes.length}`);
      return inner.transact(writes);
    },
    sweep: (now, limit) => inner.sweep(now, limit),
    close: () => inner.close(),
  };
}

function countedStaging(directory: DirectoryStaging, calls: string[]): Staging {
  return new Proxy(directory, {
    get(of, name) {
      const value: unknown = Reflect.get(of, name, of);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        // what is copied without its size is looked at first
        if (name === "copy") calls.push(...(args[2] === undefined ? ["HeadObject"] : []), "CopyObject");
        else calls.push(...(STAGING[String(name)] ?? []));
        return value.apply(of, args);
      };
    },
  });
}
