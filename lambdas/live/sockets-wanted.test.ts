import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { describe, expect, it } from "vitest";
import { MemoryTable } from "#test/support/memory-store.ts";
import { DynamoStore } from "../adapters/dynamodb/store.ts";
import { Ledger } from "../ledger/ledger.ts";
import { MemorySocketsWanted, StoredSocketsWanted } from "./sockets-wanted.ts";

describe.each([
  ["in memory", (now: () => number) => new MemorySocketsWanted(now)],
  ["in the store", (now: () => number) => new StoredSocketsWanted(new MemoryTable().open(), now)],
])("SocketsWanted %s", (_, open) => {
  it("tells the last wish of an edge, as long as it stands", async () => {
    let now = 5_000_000;
    const wanted = open(() => now);
    expect(await wanted.wanted("em1")).toBeUndefined();
    await wanted.want("em1", { sockets: 4 }, 1_000);
    await wanted.want("em1", { sockets: 5, url: "wss://live.example" }, 1_000);
    expect(await wanted.wanted("em1")).toEqual({ sockets: 5, url: "wss://live.example" });
    expect(await wanted.wanted("em2")).toBeUndefined();
    now += 1_000;
    expect(await wanted.wanted("em1")).toBeUndefined();
    await wanted.want("em1", { sockets: 1 }, 1_000);
    await wanted.want("em1", { sockets: 0 }, 1_000);
    expect(await wanted.wanted("em1")).toBeUndefined();
  });
});

it("a claim with the wish is one request to DynamoDB, as it is without", async () => {
  for (const withWish of [false, true]) {
    const requests: string[] = [];
    const client = {
      async send(command: object) {
        requests.push(command.constructor.name);
        return {};
      },
    } as unknown as DynamoDBClient;
    const store = new DynamoStore({ client, table: "t" });
    const ledger = new Ledger(store);
    const wanted = new StoredSocketsWanted(store, Date.now);
    // as lambdas/agent-api/claim.ts asks
    await Promise.allSettled([
      ledger.claimMany("em1", { epoch: 0, room: { em: 1 }, have: [] }),
      ledger.edgeAgent("em1"),
      withWish ? wanted.wanted("em1") : undefined,
    ]);
    expect(requests).toEqual(["BatchGetItemCommand"]);
  }
});
