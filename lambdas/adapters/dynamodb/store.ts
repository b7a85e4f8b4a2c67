import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type AttributeValue,
  BatchGetItemCommand,
  ConditionalCheckFailedException,
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
  TransactionCanceledException,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import type { Write } from "../../ports/ledger-store.ts";
import {
  ConditionFailed,
  type Item,
  type Key,
  type LedgerStore,
  type Query,
} from "../../ports/ledger-store.ts";
import { canHold, type Put, type Step, toSteps } from "../steps.ts";
import { type Row, toCondition, toItem, toKey, toRow, toUpdate } from "./item.ts";
import { ReadBatch } from "./read-batch.ts";
import { sortKeyRange } from "./sort-key-range.ts";

/** How long a call retries while others write the same items, in ms. */
const CONTENTION_MS = 20_000;
const FIRST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 500;

export type DynamoStoreOptions = {
  client: DynamoDBClient;
  table: string;
  /** The table's own TTL cleans (default false): then {@link DynamoStore.sweep} has nothing to do. */
  ttl?: boolean;
};

/**
 * The ledger's table in DynamoDB, with consistent reads throughout. Reads of one turn of the event loop share
 * a request; a transaction of one write is a plain conditional one. Closing leaves the client to its owner.
 */
export class DynamoStore implements LedgerStore {
  readonly #client: DynamoDBClient;
  readonly #table: string;
  readonly #ttl: boolean;
  readonly #reads = new ReadBatch<Key, Row | undefined>((keys) => this.#read(keys));

  constructor(options: DynamoStoreOptions) {
    this.#client = options.client;
    this.#table = options.table;
    this.#ttl = options.ttl ?? false;
  }

  async get<T>(key: Key): Promise<Item<T> | undefined> {
    // In a batch it would make the other reads fail too.
    if (!canHold(key)) return undefined;
    const row = await this.#reads.get(key);
    return row && toItem<T>(row);
  }

  async query<T>(query: Query): Promise<Item<T>[]> {
    const { from, inclusive, to } = sortKeyRange(query);
    const items: Item<T>[] = [];
    if (query.limit <= 0 || (to !== undefined && Buffer.compare(Buffer.from(from), Buffer.from(to)) >= 0)) {
      return items;
    }
    const condition = sortKeyCondition(from, inclusive, to);
    let start: Row | undefined;
    do {
      const page = await this.#patiently(() =>
        this.#client.send(
          new QueryCommand({
            TableName: this.#table,
            ConsistentRead: true,
            KeyConditionExpression: `#pk = :pk${condition.expression}`,
            ExpressionAttributeNames: {
              "#pk": "pk",
              ...(condition.expression !== "" && { "#sk": "sk" }),
            },
            ExpressionAttributeValues: { ":pk": { S: query.pk }, ...condition.values },
            ScanIndexForward: !query.descending,
            // BETWEEN includes both bounds: what is outside of the range is removed here
            Limit: query.limit - items.length + 2,
            ...(start && { ExclusiveStartKey: start }),
          }),
        ),
      );
      for (const row of page.Items ?? []) {
        const sk = row.sk!.S!;
        const outside = sk === to || (!inclusive && sk === from);
        if (!outside && items.length < query.limit) items.push(toItem<T>(row, query.known));
      }
      start = page.LastEvaluatedKey;
    } while (start && items.length < query.limit);
    return items;
  }

  async transact(writes: Write[]): Promise<void> {
    const steps = toSteps(writes);
    const by = randomUUID();
    const [only] = steps;
    if (!only) return;
    if (steps.length > 1 || only.kind !== "put") return this.#transact(steps, by);
    return only.if === undefined ? this.#update(only, by) : this.#put(only, only.if, by);
  }

  async sweep(now: number, limit: number): Promise<number> {
    if (this.#ttl || limit <= 0) return 0;
    let swept = 0;
    let start: Row | undefined;
    do {
      const page = await this.#client.send(
        new ScanCommand({
          TableName: this.#table,
          FilterExpression: "#expiresAt < :now",
          ProjectionExpression: "#pk, #sk",
          ExpressionAttributeNames: { "#expiresAt": "expiresAt", "#pk": "pk", "#sk": "sk" },
          ExpressionAttributeValues: { ":now": { N: String(now) } },
          ...(start && { ExclusiveStartKey: start }),
        }),
      );
      for (const row of page.Items ?? []) {
        if (swept >= limit) return swept;
        if (await this.#deleteExpired(row, now)) swept++;
      }
      start = page.LastEvaluatedKey;
    } while (start);
    return swept;
  }

  async close(): Promise<void> {}

  /** Items in the order of `keys`, at most 100. */
  async #read(keys: Key[]): Promise<(Row | undefined)[]> {
    if (keys.length === 1) {
      const key = toKey(keys[0]!);
      const get = new GetItemCommand({ TableName: this.#table, Key: key, ConsistentRead: true });
      return [(await this.#patiently(() => this.#client.send(get))).Item];
    }
    const name = (pk: string, sk: string) => JSON.stringify([pk, sk]);
    const found = new Map<string, Row>();
    // A batch may contain a key only once.
    let wanted = [...new Map(keys.map((key) => [name(key.pk, key.sk), toKey(key)])).values()];
    const pause = pauses();
    for (;;) {
      const request = { [this.#table]: { Keys: wanted, ConsistentRead: true } };
      const page = await this.#patiently(() =>
        this.#client.send(new BatchGetItemCommand({ RequestItems: request })),
      );
      for (const row of page.Responses?.[this.#table] ?? []) found.set(name(row.pk!.S!, row.sk!.S!), row);
      wanted = page.UnprocessedKeys?.[this.#table]?.Keys ?? [];
      if (wanted.length === 0) return keys.map((key) => found.get(name(key.pk, key.sk)));
      await pause();
    }
  }

  async #update(step: Put, by: string): Promise<void> {
    const update = new UpdateItemCommand({ TableName: this.#table, ...toUpdate(step, by) });
    await this.#patiently(() => this.#client.send(update));
  }

  /** A single conditional put. When the SDK sent it twice, its own first attempt may fail the second. */
  async #put(step: Put, rev: number, by: string): Promise<void> {
    const put = new PutItemCommand({
      TableName: this.#table,
      Item: toRow(step, rev + 1, by),
      ...toCondition(rev),
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
    });
    try {
      await this.#patiently(() => this.#client.send(put));
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
      if (error.Item?.by?.S !== by) throw new ConditionFailed(0);
    }
  }

  async #transact(steps: Step[], by: string): Promise<void> {
    const items = steps.map((step) => this.#transactItem(step, by));
    const pause = pauses();
    for (;;) {
      try {
        // A new token for each attempt: the last one was cancelled. The SDK's own retries use the same token.
        const ClientRequestToken = randomUUID();
        const transact = new TransactWriteItemsCommand({ TransactItems: items, ClientRequestToken });
        await this.#patiently(() => this.#client.send(transact));
        return;
      } catch (error) {
        if (!(error instanceof TransactionCanceledException)) throw error;
        const codes = (error.CancellationReasons ?? []).map((reason) => reason.Code);
        const failed = codes.indexOf("ConditionalCheckFailed");
        if (failed >= 0) throw new ConditionFailed(failed);
        if (!codes.every((code) => code === "None" || TRANSIENT.has(code ?? ""))) throw error;
        await pause(error);
      }
    }
  }

  #transactItem(step: Step, by: string) {
    const TableName = this.#table;
    const condition = step.if === undefined ? undefined : toCondition(step.if);
    if (step.kind === "put") {
      return step.if === undefined
        ? { Update: { TableName, ...toUpdate(step, by) } }
        : { Put: { TableName, Item: toRow(step, step.if + 1, by), ...condition } };
    }
    const Key = toKey(step.key);
    if (step.kind === "delete") return { Delete: { TableName, Key, ...condition } };
    return { ConditionCheck: { TableName, Key, ...toCondition(step.if ?? 0) } };
  }

  async #deleteExpired(key: Row, now: number): Promise<boolean> {
    const remove = new DeleteItemCommand({
      TableName: this.#table,
      Key: { pk: key.pk!, sk: key.sk! },
      // It may have been renewed since it was read
      ConditionExpression: "#expiresAt < :now",
      ExpressionAttributeNames: { "#expiresAt": "expiresAt" },
      ExpressionAttributeValues: { ":now": { N: String(now) } },
    });
    try {
      await this.#patiently(() => this.#client.send(remove));
      return true;
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException) return false;
      throw error;
    }
  }

  /** Retries a request that conflicted with another transaction, or was throttled. */
  async #patiently<R>(send: () => Promise<R>): Promise<R> {
    const pause = pauses();
    for (;;) {
      try {
        return await send();
      } catch (error) {
        if (!BUSY.has((error as Error).name)) throw error;
        await pause(error);
      }
    }
  }
}

/** Reasons of a cancelled transaction after which it can be retried. */
const TRANSIENT = new Set(["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"]);
const BUSY = new Set([
  "TransactionConflictException",
  "TransactionInProgressException",
  "ProvisionedThroughputExceededException",
  "RequestLimitExceeded",
  "ThrottlingException",
]);

/** Pauses with full jitter, longer each time; after 20 s in total it throws the given error. */
function pauses(): (error?: unknown) => Promise<void> {
  const until = performance.now() + CONTENTION_MS;
  let longest = FIRST_PAUSE_MS;
  return async (error = new Error("DynamoDB is too busy")) => {
    if (performance.now() > until) throw error;
    await sleep(Math.random() * longest);
    longest = Math.min(LONGEST_PAUSE_MS, longest * 2);
  };
}

function sortKeyCondition(
  from: string,
  inclusive: boolean,
  to: string | undefined,
): { expression: string; values: Record<string, AttributeValue> } {
  const low = { ":from": { S: from } };
  const high = { ":to": { S: to ?? "" } };
  // DynamoDB refuses an empty key; it would be below every other.
  if (from === "") {
    return to === undefined ? { expression: "", values: {} } : { expression: " AND #sk < :to", values: high };
  }
  if (to === undefined) {
    return { expression: ` AND #sk ${inclusive ? ">=" : ">"} :from`, values: low };
  }
  return { expression: " AND #sk BETWEEN :from AND :to", values: { ...low, ...high } };
}
