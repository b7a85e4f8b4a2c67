import {
  BatchGetItemCommand,
  ConditionalCheckFailedException,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  TransactionCanceledException,
  TransactWriteItemsCommand,
} from "@aws-sdk/client-dynamodb";
import { beforeEach, describe, expect, test } from "vitest";
import { ConditionFailed, ITEM_BYTES } from "../../ports/ledger-store.ts";
import { DynamoStore } from "./store.ts";

type Input = Record<string, unknown>;

/** What the real one shows only under load: answers as they are written here, one for each request. */
let requests: { name: string; input: Input }[];
let answers: ((input: Input) => unknown)[];
let store: DynamoStore;

beforeEach(() => {
  [requests, answers] = [[], []];
  const client = {
    async send(command: { input: Input }) {
      requests.push({ name: command.constructor.name, input: command.input });
      const answer = answers.shift()?.(command.input) ?? {};
      if (answer instanceof Error) throw answer;
      return answer;
    },
  } as unknown as DynamoDBClient;
  store = new DynamoStore({ client, table: "t" });
});

const $metadata = {};
const cancelled = (...codes: string[]) => {
  const CancellationReasons = codes.map((Code) => ({ Code }));
  return () => new TransactionCanceledException({ $metadata, message: "cancelled", CancellationReasons });
};
const busy = (name: string) => () => Object.assign(new Error(name), { name });
const row = (sk: string, rev = 1) => ({
  pk: { S: "p" },
  sk: { S: sk },
  rev: { N: String(rev) },
  data: { S: JSON.stringify(sk) },
});
const put = (sk: string, condition?: number) => ({
  put: { pk: "p", sk, data: sk },
  ...(condition !== undefined && { if: condition }),
});
const names = () => requests.map(({ name }) => name);

describe("a transaction", () => {
  test("that met another one is sent again, as a new one, until it lands", async () => {
    answers = [
      cancelled("None", "TransactionConflict"),
      busy("TransactionInProgressException"),
      cancelled("ThrottlingError", "None"),
    ];
    await store.transact([put("a", 0), put("b", 0)]);
    expect(names()).toEqual(Array(4).fill(TransactWriteItemsCommand.name));
    const tokens = requests.map(({ input }) => input.ClientRequestToken);
    // one that is still under way is asked for by the same token; one that was cancelled is over
    expect(tokens[1]).toBe(tokens[2]);
    expect(new Set(tokens).size).toBe(3);
  });

  test("fails by its first condition, also when others met a conflict", async () => {
    answers = [cancelled("TransactionConflict", "ConditionalCheckFailed", "ConditionalCheckFailed")];
    const failed = await store.transact([put("a"), put("b", 1), put("c", 1)]).catch((error) => error);
    expect(failed).toBeInstanceOf(ConditionFailed);
    expect(failed.index).toBe(1);
    expect(requests).toHaveLength(1);
  });

  test("that DynamoDB refuses for another reason is an error, and is not repeated", async () => {
    answers = [cancelled("ValidationError", "None")];
    await expect(store.transact([put("a"), put("b")])).rejects.toThrow(TransactionCanceledException);
    expect(requests).toHaveLength(1);
  });

  test("of one conditional put is a plain one", async () => {
    await store.transact([put("a", 3)]);
    expect(requests).toMatchObject([
      { name: PutItemCommand.name, input: { Item: { rev: { N: "4" } }, ConditionExpression: "#rev = :rev" } },
    ]);
  });
});

describe("a plain conditional put", () => {
  const refused = (by: (input: Input) => string | undefined) => (input: Input) =>
    new ConditionalCheckFailedException({
      $metadata,
      message: "no",
      Item: { ...row("a", 4), by: { S: by(input) ?? "somebody" } },
    });

  test("that finds its own work, whose answer was lost, has succeeded", async () => {
    answers = [refused((input) => (input.Item as ReturnType<typeof row> & { by: { S: string } }).by.S)];
    await store.transact([put("a", 3)]);
  });

  test("that finds another's work has failed", async () => {
    answers = [refused(() => undefined)];
    await expect(store.transact([put("a", 3)])).rejects.toMatchObject({ name: "ConditionFailed", index: 0 });
  });
});

describe("reads", () => {
  test("of one turn of the event loop go out as one, each key once, absent ones told", async () => {
    answers = [() => ({ Responses: { t: [row("b"), row("a")] } })];
    const keys = ["a", "b", "none", "a"].map((sk) => ({ pk: "p", sk }));
    const items = await Promise.all(keys.map((key) => store.get(key)));
    expect(items.map((item) => item?.data)).toEqual(["a", "b", undefined, "a"]);
    expect(names()).toEqual([BatchGetItemCommand.name]);
    const { Keys, ConsistentRead } = (requests[0]!.input.RequestItems as Input).t as {
      Keys: unknown[];
      ConsistentRead: boolean;
    };
    expect([Keys.length, ConsistentRead]).toEqual([3, true]);
  });

  test("that DynamoDB left over are asked for again", async () => {
    const key = (sk: string) => ({ pk: { S: "p" }, sk: { S: sk } });
    answers = [
      () => ({ Responses: { t: [row("a")] }, UnprocessedKeys: { t: { Keys: [key("b")] } } }),
      busy("ProvisionedThroughputExceededException"),
      () => ({ Responses: { t: [row("b")] } }),
    ];
    const items = await Promise.all(["a", "b"].map((sk) => store.get({ pk: "p", sk })));
    expect(items.map((item) => item?.data)).toEqual(["a", "b"]);
    expect(requests).toHaveLength(3);
  });

  test("of more than a batch holds take several; one alone is a plain one", async () => {
    answers = Array(3).fill(() => ({}));
    await Promise.all(Array.from({ length: 201 }, (_, n) => store.get({ pk: "p", sk: String(n) })));
    expect(names()).toEqual([BatchGetItemCommand.name, BatchGetItemCommand.name, GetItemCommand.name]);
  });

  test("fail together when their request fails", async () => {
    answers = [() => new Error("no network")];
    const both = await Promise.allSettled(["a", "b"].map((sk) => store.get({ pk: "p", sk })));
    expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  });

  test("page by page until the limit is met", async () => {
    answers = [
      () => ({ Items: [row("a"), row("b")], LastEvaluatedKey: { pk: { S: "p" }, sk: { S: "b" } } }),
      () => ({ Items: [row("c"), row("d")] }),
    ];
    const items = await store.query({ pk: "p", after: "a", limit: 2 });
    expect(items.map(({ sk }) => sk)).toEqual(["b", "c"]);
    expect(names()).toEqual([QueryCommand.name, QueryCommand.name]);
    expect(requests[1]!.input).toMatchObject({ ExclusiveStartKey: { sk: { S: "b" } } });
  });
});

test("what an item cannot hold is refused before it is sent", async () => {
  const data = "x".repeat(ITEM_BYTES);
  await expect(store.transact([{ put: { pk: "p", sk: "a", data } }])).rejects.toThrow(RangeError);
  expect(requests).toEqual([]);
});

test("a table that cleans by itself is never scanned", async () => {
  const client = { send: () => Promise.reject(new Error("asked")) } as unknown as DynamoDBClient;
  expect(await new DynamoStore({ client, table: "t", ttl: true }).sweep(Date.now(), 100)).toBe(0);
});
