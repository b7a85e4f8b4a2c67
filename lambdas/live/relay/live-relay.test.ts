import { pino } from "pino";
import { expect, onTestFinished, test, vi } from "vitest";
import { controlFrames } from "#protocol/live-frames.ts";
import { memorySockets } from "#test/live/support/memory-socket.ts";
import { MemorySocketsWanted } from "../sockets-wanted.ts";
import { LiveRelay, type LiveRelayDeps, type LiveRelayOptions } from "./live-relay.ts";
import { RelayLeg } from "./relay-leg.ts";
import { SolePlace } from "./relay-place.ts";
import type { RelaySession } from "./relay-session.ts";

const target = { runner: "1-x" };
const list = (path: string) => ({
  kind: "list" as const,
  list: { path, recursive: false, as: "user" as const },
});

function relayWith(deps: Partial<LiveRelayDeps> = {}, options: LiveRelayOptions = {}) {
  return new LiveRelay(
    {
      ledger: {
        inContact: async () => true,
        edgeAgent: async () => ({ features: ["live", "runners"] }) as never,
        epochOf: async () => 1,
      },
      place: new SolePlace(),
      wanted: new MemorySocketsWanted(Date.now),
      notes: { note: async () => {} } as never,
      doorbell: { ring: async () => {} },
      isAllowed: async () => true,
      now: Date.now,
      log: pino({ level: "silent" }),
      ...deps,
    },
    options,
  );
}

test("what no agent could read is offered to none: it would take the sockets of others", async () => {
  const relay = relayWith();
  const { near } = memorySockets();
  relay.accept("e", new RelayLeg(near as never, near as never, { epoch: 1 }));
  const remove = Array.from({ length: 10_000 }, () => "x".repeat(1000));
  for (const request of [list("x".repeat(4097)), { kind: "write" as const, write: { remove } }]) {
    const session = relay.open({ user: "u", edge: "e", target, request });
    expect(await session.ended).toMatchObject({ code: "PROTOCOL" });
  }
  expect(relay.socketsOf("e")).toBe(1);
  await relay.close();
});

test("a session goes on when the wish for sockets cannot be stored", async () => {
  const tried = Promise.withResolvers<void>();
  const relay = relayWith({
    wanted: {
      want: async () => {
        tried.resolve();
        throw new Error("away");
      },
      wanted: async () => undefined,
    },
  });
  const session = relay.open({ user: "u", edge: "e", target, request: list("./") });
  await tried.promise;
  await new Promise((resolve) => setImmediate(resolve));
  session.close();
  expect(await session.ended).toMatchObject({ code: "CANCELLED" });
  await relay.close();
});

test("what a user has open ends when the user is removed, or may not use the edge any more", async () => {
  const forbidden = new Set<string>();
  const relay = relayWith(
    {
      isAllowed: async ({ user }) => {
        if (user === "unread") throw new Error("away");
        return !forbidden.has(user);
      },
    },
    { tickMs: 5, usersMs: 0 },
  );
  const open = (user: string) => relay.open({ user, edge: "e", target, request: list("./") });
  const [kept, unread, ended] = [open("kept"), open("unread"), open("ended")];
  forbidden.add("ended");
  expect(await ended.ended).toMatchObject({ type: "error", code: "STOPPED" });
  expect(relay.size).toBe(2);
  for (const session of [kept, unread]) session.close();
  await relay.close();
});

test("whether a user's sessions may go on is one question, from the oldest on: a new user of the name keeps theirs", async () => {
  const asked: number[] = [];
  let [at, madeAt] = [0, 0];
  const told = Promise.withResolvers<void>();
  const relay = relayWith(
    {
      now: () => ++at,
      isAllowed: async ({ began }) => {
        asked.push(began);
        if (madeAt > 0 && began >= madeAt) told.resolve();
        return began >= madeAt;
      },
    },
    { tickMs: 5, usersMs: 0 },
  );
  const open = () => relay.open({ user: "u", edge: "e", target, request: list("./") });
  const earlier = [open(), open(), open()];
  madeAt = ++at;
  const later = [open(), open()];
  for (const { ended } of earlier) expect(await ended).toMatchObject({ code: "STOPPED" });
  await told.promise;
  expect(relay.size).toBe(2);
  expect(new Set(asked).size).toBe(4);
  for (const session of later) session.close();
  await relay.close();
});

/** Timers are the test's, of these alone: sockets have others. */
function fakeTimers() {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
}

test("a session that no agent takes is given up after 30 s", async () => {
  fakeTimers();
  const relay = relayWith();
  const session = relay.open({ user: "u", edge: "e", target, request: list("./") }) as RelaySession;
  await vi.advanceTimersByTimeAsync(29_999);
  expect([session.isOver, relay.size]).toEqual([false, 1]);
  await vi.advanceTimersByTimeAsync(1);
  expect(await session.ended).toMatchObject({ type: "error", code: "UNREACHABLE" });
  await relay.close();
});

test("a socket has 3 s to say ready; then the session is offered on the next one", async () => {
  fakeTimers();
  const relay = relayWith();
  const [first, second] = [memorySockets(), memorySockets()];
  for (const { near } of [first, second]) {
    relay.accept("e", new RelayLeg(near as never, near as never, { epoch: 1 }));
  }
  const session = relay.open({ user: "u", edge: "e", target, request: list("./") }) as RelaySession;
  await vi.advanceTimersByTimeAsync(2_999);
  expect(relay.socketsOf("e")).toBe(2);
  await vi.advanceTimersByTimeAsync(1);
  await new Promise((resolve) => setImmediate(resolve));
  expect(relay.socketsOf("e")).toBe(1);
  for (const frame of controlFrames({ type: "ready" })) second.far.send(frame);
  await vi.advanceTimersByTimeAsync(1);
  expect(session.isOver).toBe(false);
  session.close();
  await relay.close();
});

test("a session lasts 24 h and no longer", async () => {
  fakeTimers();
  const relay = relayWith();
  const { near, far } = memorySockets();
  relay.accept("e", new RelayLeg(near as never, near as never, { epoch: 1 }));
  const session = relay.open({ user: "u", edge: "e", target, request: list("./") }) as RelaySession;
  await vi.advanceTimersByTimeAsync(1);
  for (const frame of controlFrames({ type: "ready" })) far.send(frame);
  await vi.advanceTimersByTimeAsync(24 * 3600_000 - 2);
  expect(session.isOver).toBe(false);
  await vi.advanceTimersByTimeAsync(2);
  expect(await session.ended).toMatchObject({ type: "error", code: "SESSION_TOO_LONG" });
  await relay.close();
});

test("four spare sockets are wished for while an edge was used in the last 10 minutes, and none after that", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"] });
  onTestFinished(() => void vi.useRealTimers());
  const wished: number[] = [];
  const wanted = new MemorySocketsWanted(Date.now);
  const want = wanted.want.bind(wanted);
  wanted.want = async (edge, wish, ms) => {
    wished.push(wish.sockets);
    await want(edge, wish, ms);
  };
  const relay = relayWith({ wanted });
  const session = relay.open({ user: "u", edge: "e", target, request: list("./") });
  await vi.advanceTimersByTimeAsync(1);
  expect(wished).toEqual([5]);
  session.close();
  await vi.advanceTimersByTimeAsync(10 * 60_000 - 11_000);
  expect([wished.at(-1), (await wanted.wanted("e"))?.sockets]).toEqual([4, 4]);
  await vi.advanceTimersByTimeAsync(21_000);
  expect([wished.at(-1), await wanted.wanted("e")]).toEqual([0, undefined]);
  await relay.close();
});

test("a place is kept for who reserved it until it is used or given back, once", async () => {
  const relay = relayWith();
  const of = { user: "u", edge: "e", target };
  const places = Array.from({ length: 16 }, () => relay.reserve(of)!);
  expect([relay.reserve(of), relay.hasRoom(of)]).toEqual([undefined, false]);
  expect(await relay.open({ ...of, request: list("./") }).ended).toMatchObject({ code: "TOO_MANY" });
  const session = places[0]!.open(list("./"));
  places[0]!.giveBack();
  expect(relay.hasRoom(of)).toBe(false);
  places[1]!.giveBack();
  places[1]!.giveBack();
  expect([relay.reserve(of) !== undefined, relay.reserve(of)]).toEqual([true, undefined]);
  session.close();
  await session.ended;
  expect([relay.reserve(of) !== undefined, relay.reserve(of)]).toEqual([true, undefined]);
  await relay.close();
});
