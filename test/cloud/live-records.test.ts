import { randomUUID } from "node:crypto";
import { pino } from "pino";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import type { DynamoStore } from "#lambdas/adapters/dynamodb/store.ts";
import { StoredTickets } from "#lambdas/live/records/stored-tickets.ts";
import { hasRelay } from "#lambdas/live/relay/has-relay.ts";
import { StoredPlace } from "#lambdas/live/relay/relay-place.ts";
import { StoredSocketsWanted } from "#lambdas/live/sockets-wanted.ts";
import { LIVE_LIMITS } from "#protocol/live-limits.ts";
import { awsAt, dropTable, makeTable } from "./support/aws.ts";
import { openStore } from "./support/open-dynamo-store.ts";

/** The records of live sessions, each from two connections as two processes have them. */
const endpoint = inject("awsEndpoint");
const aws = awsAt(endpoint);
let table: string;
let stores: [DynamoStore, DynamoStore];
beforeAll(async () => {
  table = await makeTable(aws.dynamo);
  stores = [await openStore(endpoint, table), await openStore(endpoint, table)];
});
afterAll(async () => {
  for (const store of stores ?? []) await store.close();
  await dropTable(aws.dynamo, table);
  aws.close();
});

test("a ticket, small or as large as one may be, is used at one of two processes, once", async () => {
  const [here, there] = stores.map((store) => new StoredTickets(store, Date.now)) as [
    StoredTickets,
    StoredTickets,
  ];
  const options = { ttlMs: 60_000, most: 2 };
  for (const bytes of [1, LIVE_LIMITS.ticketBytes - 1024]) {
    const exec = { argv: ["sh"], as: "own" as const, env: { A: "x".repeat(bytes) }, stop: "hangup" as const };
    const ticket = { user: "ada", edge: "em1", target: { runner: `1-${randomUUID()}` }, exec };
    const text = await here.create(ticket, options);
    expect(await there.look(text)).toMatchObject(ticket);
    const used = await Promise.all([here.use(text), there.use(text), here.use(text)]);
    expect(used.filter((one) => one !== undefined)).toMatchObject([ticket]);
    expect([await here.look(text), await there.look(text)]).toEqual([undefined, undefined]);
  }
});

test("of the tickets of one runner that two processes make the oldest go", async () => {
  const tickets = stores.map((store) => new StoredTickets(store, Date.now));
  const exec = { argv: ["sh"], as: "own" as const, env: {}, stop: "hangup" as const };
  const ticket = { user: "ada", edge: "em1", target: { runner: `2-${randomUUID()}` }, exec };
  const texts: string[] = [];
  for (let n = 0; n < 5; n++) {
    texts.push(await tickets[n % 2]!.create(ticket, { ttlMs: 60_000, most: 3, form: "uuid" }));
  }
  const left = await Promise.all(texts.map((text) => tickets[0]!.look(text)));
  expect(left.map((one) => one !== undefined)).toEqual([false, false, true, true, true]);
});

test("one of two servers that start at once is the relay, and the other when it has left", async () => {
  const log = pino({ level: "silent" });
  const places = stores.map((store) => new StoredPlace(store, { id: randomUUID(), now: Date.now, log }));
  expect(await hasRelay(stores[0], Date.now())).toBe(false);
  await Promise.all(places.map((place) => place.look()));
  const [relay, other] = places[0]!.held ? places : places.toReversed();
  expect([relay!.held, other!.held]).toEqual([true, false]);
  for (let n = 0; n < 3; n++) await Promise.all(places.map((place) => place.look()));
  expect([relay!.held, other!.held]).toEqual([true, false]);
  expect(await hasRelay(stores[1], Date.now())).toBe(true);
  await relay!.close();
  await other!.look();
  expect([relay!.held, other!.held]).toEqual([false, true]);
  await other!.close();
  expect(await hasRelay(stores[0], Date.now())).toBe(false);
});

test("what the relay wishes is told by every process, for as long as it stands", async () => {
  let now = Date.now();
  const [relay, lambda] = stores.map((store) => new StoredSocketsWanted(store, () => now));
  const wish = { sockets: 5, url: "wss://live.example" };
  await relay!.want("em1", wish, 60_000);
  expect([await lambda!.wanted("em1"), await lambda!.wanted("em2")]).toEqual([wish, undefined]);
  now += 60_000;
  expect(await lambda!.wanted("em1")).toBeUndefined();
  await relay!.want("em1", wish, 60_000);
  await relay!.want("em1", { sockets: 0 }, 60_000);
  expect(await lambda!.wanted("em1")).toBeUndefined();
});
