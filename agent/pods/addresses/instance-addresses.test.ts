import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { freePort } from "../../../scripts/localstack/free-port.ts";
import { addressRange } from "./address-range.ts";
import { type Addressed, InstanceAddresses, type InstanceAddressesOptions } from "./instance-addresses.ts";

let target: Server;
const warnings: string[] = [];
const opened: InstanceAddresses[] = [];
const others: Server[] = [];

beforeEach(async () => {
  // reads to the end, then answers with the same text in capitals
  target = createServer({ allowHalfOpen: true }, async (from) => {
    const said = await text(from).catch(() => "");
    from.end(said.toUpperCase());
  });
  await listen(target, "127.0.0.1", 0);
});
afterEach(() => {
  for (const one of opened.splice(0)) one.close();
  for (const server of [target, ...others.splice(0)]) server.close();
  warnings.length = 0;
});

const listen = (server: Server, host: string, port: number) =>
  new Promise<void>((resolve) => server.listen(port, host, resolve));

function addresses(range = "127.89.0.0/29", more: Partial<InstanceAddressesOptions> = {}): InstanceAddresses {
  const warn = (said: string) => warnings.push(said);
  const made = new InstanceAddresses({ range: addressRange(range), warn, ...more });
  opened.push(made);
  return made;
}

const toTarget = async (): Promise<Socket> =>
  connect({ port: (target.address() as AddressInfo).port, host: "127.0.0.1", allowHalfOpen: true });
const one = (port: number, over: Partial<Addressed> = {}): Addressed => ({
  ...{ run: "1", user: "ada", pod: "p", ports: [port], connect: toTarget },
  ...over,
});
/** What comes back from there; undefined when the connection is refused or broken off. */
async function say(what: string, host: string, port: number): Promise<string | undefined> {
  const socket = connect({ host, port, allowHalfOpen: true });
  socket.end(what);
  return text(socket).catch(() => undefined);
}

test("what is said at a run's address is led to it, both ends apart, until it is released", async () => {
  const [port, own] = [await freePort(), addresses()];
  const address = await own.give(one(port));
  expect(address).toMatch(/^127\.89\.0\.[1-6]$/);
  expect(await own.give(one(port))).toBe(address);
  expect(await say("x".repeat(300_000), address!, port)).toBe("X".repeat(300_000));
  own.release("1");
  expect(await say("hello", address!, port)).toBeUndefined();
  expect(await own.give(one(port, { run: "2" }))).toBe(address);
});

test("runs have different addresses, and one before is had again where it is free and in the range", async () => {
  const [port, own] = [await freePort(), addresses()];
  const given = [];
  for (const run of ["1", "2", "3"]) given.push(await own.give(one(port, { run })));
  expect(new Set(given).size).toBe(3);
  const free = addressRange("127.89.0.0/29").at(5);
  for (const [before, expected] of [
    [given[0], expect.not.stringMatching(given[0]!)],
    [free, given.includes(free) ? expect.any(String) : free],
    ["10.1.1.1", expect.stringMatching(/^127\.89\.0\./)],
  ]) {
    expect(await own.give(one(port, { run: "4", before }))).toEqual(expected);
    own.release("4");
  }
});

test("an address at whose port others listen is left to them", async () => {
  const [port, own, range] = [await freePort(), addresses(), addressRange("127.89.0.0/29")];
  const first = await own.give(one(port));
  own.release("1");
  const other = createServer((socket) => socket.end("other"));
  others.push(other);
  await listen(other, first!, port);
  const second = await own.give(one(port));
  expect(second).not.toBe(first);
  expect(range.has(second!)).toBe(true);
  expect(await say("hello", second!, port)).toBe("HELLO");
});

test.each(["127.89.0.0/16", "127.89.0.0/29"])(
  "who has a port everywhere is told of, and an address of %s is given all the same",
  async (range) => {
    const own = addresses(range);
    const everywhere = createServer();
    others.push(everywhere);
    await listen(everywhere, "0.0.0.0", 0);
    const taken = (everywhere.address() as AddressInfo).port;
    const port = await freePort();
    const address = await own.give(one(port, { ports: [taken, port] }));
    expect(await say("hello", address!, port)).toBe("HELLO");
    expect(warnings).toEqual([`port ${taken} of instances is not reached at ${address}: EADDRINUSE`]);
  },
);

test("a range that is used up gives none, and says so once", async () => {
  const [port, own] = [await freePort(), addresses("127.89.1.0/30")];
  expect(await own.give(one(port))).toBeDefined();
  expect(await own.give(one(port, { run: "2" }))).toBeDefined();
  for (const run of ["3", "4"]) expect(await own.give(one(port, { run }))).toBeUndefined();
  expect(warnings).toEqual(["no instance gets an address of its own any more: the range is used up"]);
});

test("a run that cannot be reached breaks the connection off", async () => {
  const [port, own] = [await freePort(), addresses()];
  const fails = async () => {
    throw new Error("no way");
  };
  const address = await own.give(one(port, { connect: fails }));
  expect(await say("hello", address!, port)).toBeUndefined();
  expect(warnings).toEqual(["instances are not reached at addresses of their own: no way"]);
  target.on("connection", (socket) => socket.resetAndDestroy());
  const broken = await own.give(one(port, { run: "2" }));
  expect(await say("hello", broken!, port)).not.toBe("HELLO");
});

test("a port that is closed is never listened at, and where nothing is listened at no address is given", async () => {
  const [closed, port] = [await freePort(), await freePort()];
  const own = addresses(undefined, { closedPorts: [closed] });
  const address = await own.give(one(port, { ports: [closed, port] }));
  expect([await say("hello", address!, port), await say("hello", address!, closed)]).toEqual([
    "HELLO",
    undefined,
  ]);
  expect(await own.give(one(closed, { run: "2" }))).toBeUndefined();
  expect(await addresses("192.0.2.0/29").give(one(port))).toBeUndefined();
  expect(warnings).toEqual([
    `port ${closed} of instances is not reached: it is closed by the configuration`,
    expect.stringMatching(`port ${port} of instances is not reached at 192.0.2.[1-6]: EADDRNOTAVAIL`),
  ]);
});

test("a user has so many connections at a time, and all users together", async () => {
  const [port, own] = [await freePort(), addresses(undefined, { most: { user: 2, all: 3 } })];
  const [ada, eve] = [await own.give(one(port)), await own.give(one(port, { run: "2", user: "eve" }))];
  const heard: Socket[] = [];
  target.on("connection", (socket) => heard.push(socket));
  const hold = async (host: string | undefined) => {
    const held = heard.length;
    const socket = connect({ host: host!, port });
    while (heard.length === held) await once(target, "connection");
    return socket;
  };
  const first = await hold(ada);
  const held = [await hold(ada)];
  expect(await say("hello", ada!, port)).not.toBe("HELLO");
  held.push(await hold(eve));
  expect(await say("hello", eve!, port)).not.toBe("HELLO");
  first.destroy();
  while ((await say("hello", eve!, port)) !== "HELLO");
  for (const socket of held) socket.destroy();
});

test("who waits for a way to a run when it ends is broken off, and nothing is begun any more", async () => {
  const [port, own] = [await freePort(), addresses()];
  const asked = Promise.withResolvers<AbortSignal>();
  const waits = (_: number, signal: AbortSignal): Promise<Socket> => {
    asked.resolve(signal);
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  };
  const address = await own.give(one(port, { connect: waits }));
  const answer = say("hello", address!, port);
  const signal = await asked.promise;
  own.release("1");
  expect([signal.aborted, await answer, warnings]).toEqual([true, undefined, []]);
});
