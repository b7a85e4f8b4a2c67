import { randomBytes } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { beforeEach, expect, test } from "vitest";
import { PerigeeError } from "#protocol/errors.ts";
import { KiB, MiB } from "#protocol/limits.ts";
import { bytesSource } from "../files/ranged-source.ts";
import { type GroundPort, GroundUnavailable } from "../ground/ground-client.ts";
import { Link } from "../ground/link.ts";
import { OutgoingStore } from "./outgoing-store.ts";
import { type SendDeps, sendInParts } from "./send-in-parts.ts";

const PART = 64 * KiB;
const PARTS = 40;
const FILE = randomBytes(PARTS * PART - 1000);
const COMMAND = { id: "01KAH8ZJ5Q4W6T8Y0B2C4D6E8F", user: "ann" };

/** What came, as `<transfer> <number>`, and the bytes of each. */
let came: { transfer: string; number: number; bytes: Buffer; range: string | undefined }[];
/** What the ground has of parts that were cut, by their number. */
let beginnings: Map<number, number>;
/** Called before a part is taken. */
let before: (transfer: string, number: number) => Promise<void> | void;
let completed: { transfer: string; crc32: string }[];
let store: OutgoingStore;
let stop: AbortController;
beforeEach(() => {
  came = [];
  beginnings = new Map();
  before = () => undefined;
  completed = [];
  store = new OutgoingStore(new DatabaseSync(":memory:"), "/nowhere");
  stop = new AbortController();
});

type Put = { headers: Record<string, string> };
type Asked = { transfer: string; parts: { number: number }[] };

/** A ground behind a thin link, or a near one; `atOnce`: it says at the beginning where the first parts go. */
function sending(atOnce = true, near?: { partBytes: number; file: Buffer }) {
  const link = new Link();
  if (!near) link.sent(256 * KiB, 100_000);
  /** the first part of each call that asks where they go */
  const asked: number[] = [];
  const sign = ({ transfer, parts }: Asked) => ({
    parts: parts.map(({ number }) => {
      return { url: `${transfer} ${number}`, headers: {}, from: beginnings.get(number) };
    }),
  });
  const ground = {
    link,
    transfer: async (begun: Asked & { partBytes: number }) => {
      const { partBytes = near!.partBytes } = begun;
      if (near) return { partBytes };
      return { partBytes, ...(atOnce && sign(begun)) };
    },
    transferParts: async (of: Asked) => {
      asked.push(of.parts[0]!.number);
      return sign(of);
    },
    put: async (url: string, body: AsyncIterable<Buffer>, signal: AbortSignal, { headers }: Put) => {
      const [transfer = "", number = ""] = url.split(" ");
      const chunks: Buffer[] = [];
      for await (const chunk of body) chunks.push(chunk);
      signal.throwIfAborted();
      came.push({
        transfer,
        number: Number(number),
        bytes: Buffer.concat(chunks),
        range: headers["content-range"],
      });
      const aborted = new Promise<never>((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      });
      await Promise.race([before(transfer, Number(number)), aborted]);
    },
    completeTransfer: async (one: { transfer: string; crc32: string }) => {
      completed.push(one);
      return { content: { n: 0, size: FILE.length } };
    },
  } as unknown as GroundPort;
  const deps: SendDeps = {
    ground,
    store,
    command: COMMAND,
    epoch: 1,
    signal: stop.signal,
    sender: link.turns.sender({ asked: true }),
    retried: (attempt) => attempt(),
  };
  const source = bytesSource([near?.file ?? FILE]);
  return { sent: sendInParts(deps, { n: 0, source }), asked, pin: source.pin };
}

test("a part that is late keeps no other, and nothing behind it counts before it has arrived", async () => {
  const late = Promise.withResolvers<void>();
  before = (_, number) => (number === 3 ? late.promise : undefined);
  const { sent, pin } = sending();
  await expect.poll(() => came.length).toBe(PARTS);
  expect(store.open(COMMAND.id, 0, pin).done).toBe(0);
  late.resolve();
  expect(await sent).toEqual({ n: 0, size: FILE.length });
  expect(store.open(COMMAND.id, 0, pin)).toMatchObject({ done: PARTS, crc: crc32(FILE) });
  const inOrder = came.toSorted((a, b) => a.number - b.number);
  expect(Buffer.concat(inOrder.map(({ bytes }) => bytes)).equals(FILE)).toBe(true);
  expect(completed.map((one) => Number.parseInt(one.crc32, 16))).toEqual([crc32(FILE)]);
});

test("a part that is refused for good ends both batches before the object begins anew", async () => {
  let first: string | undefined;
  let over = false;
  before = async (transfer, number) => {
    first ??= transfer;
    if (transfer !== first) over = true;
    else if (over) throw new Error("a part came for what was given up");
    else if (number === 2) throw new GroundUnavailable("refused", { status: 400 });
    // one of the other batch never arrives; more of them would leave no turn for the first batch
    else if (number === 17) await new Promise(() => undefined);
  };
  const { sent } = sending();
  expect(await sent).toEqual({ n: 0, size: FILE.length });
});

test("of a part that was cut the rest is sent, and all of it where the ground has lost the beginning", async () => {
  beginnings = new Map([
    [2, 1000],
    [3, PART],
    [4, 500],
    [5, 700],
  ]);
  let refused = false;
  before = (_, number) => {
    if (number === 5 && !refused) {
      refused = true;
      // of something on the way, which goes on to refuse rests
      throw new GroundUnavailable("PUT answered 400", { status: 400 });
    }
    if (number !== 4 || !beginnings.delete(4)) return;
    throw new PerigeeError("RANGE_NOT_SATISFIABLE", "lost");
  };
  const { sent } = sending();
  expect(await sent).toEqual({ n: 0, size: FILE.length });
  const of = (wanted: number) =>
    came.filter(({ number }) => number === wanted).map(({ bytes, range }) => [bytes.length, range]);
  expect(of(2)[0]).toEqual([PART - 1000, `bytes 1000-${PART - 1}/${PART}`]);
  expect(of(3)).toEqual([]);
  expect([of(5)[0]?.[0], of(5).at(-1)]).toEqual([PART - 700, [PART, undefined]]);
  expect([of(4)[0], of(4).at(-1)]).toEqual([
    [PART - 500, `bytes 500-${PART - 1}/${PART}`],
    [PART, undefined],
  ]);
});

test.each<[what: string, atOnce: boolean, calls: number[]]>([
  ["need no call of their own", true, [17]],
  ["are asked for where the ground is of an earlier version", false, [1, 17]],
])("the first parts %s", async (_what, atOnce, calls) => {
  const { sent, asked } = sending(atOnce);
  expect(await sent).toEqual({ n: 0, size: FILE.length });
  expect(asked).toEqual(calls);
  expect(came.map(({ number }) => number).toSorted((a, b) => a - b)).toEqual(
    Array.from({ length: PARTS }, (_, i) => i + 1),
  );
});

test("over a near link two large parts are under way, so that the ground's disk and the link are both at work", async () => {
  let underWay = 0;
  let most = 0;
  const second = Promise.withResolvers<void>();
  before = async (_, number) => {
    most = Math.max(most, ++underWay);
    if (number === 2) second.resolve();
    // the first has not arrived before the second has begun
    if (number === 1) await second.promise;
    underWay--;
  };
  const file = Buffer.alloc(9 * MiB, "near");
  const { sent } = sending(false, { partBytes: 2 * MiB, file });
  await sent;
  expect(most).toBe(2);
  const inOrder = came.toSorted((a, b) => a.number - b.number);
  expect(Buffer.concat(inOrder.map(({ bytes }) => bytes)).equals(file)).toBe(true);
});
