import { beforeEach, expect, test } from "vitest";
import type { Entry } from "../ledger/entry.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Staging } from "../ports/staging.ts";
import { Allowances } from "./allowances.ts";
import { keptBytes } from "./staged-bytes.ts";

let objects: { key: string; size: number }[];
let onEdge: Record<string, number>;
let allowances: Allowances;

beforeEach(() => {
  objects = [];
  onEdge = {};
  const under = (prefix: string) => objects.filter(({ key }) => key.startsWith(prefix));
  const staging = {
    list: async (prefix: string, { after = "", limit = 1000 } = {}) =>
      under(prefix)
        .filter(({ key }) => key > after)
        .slice(0, limit),
    usage: async (prefix: string) => under(prefix).reduce((sum, { size }) => sum + size, 0),
  } as unknown as Staging;
  const ledger = { lastHeartbeat: async () => ({ usage: onEdge }) } as unknown as Ledger;
  allowances = new Allowances({ staging, ledger, quota: 1000, kept: (user) => keptBytes(staging, user, []) });
});
const reserved = (...places: [id: string, user: string, bytes?: number][]): Entry[] =>
  places.map(([id, user, bytes]) => ({
    id,
    user,
    operation: "volume.uplink",
    since: 0,
    ...(bytes !== undefined && { bytes }),
  }));
const left = async (entries: Entry[]) => (await allowances.left("alice", "em1"))(entries);

test("what lies anywhere counts once, others' not at all", async () => {
  onEdge = { alice: 100, bob: 900 };
  objects = [
    { key: "downlink/alice/_/c0/1.0", size: 50 },
    { key: "uplink/alice/_/c1/0", size: 20 },
    { key: "uplink/alice/v/c1/manifest", size: 3 },
    { key: "uplink/bob/_/c9/0", size: 900 },
  ];
  expect(await left([])).toBe(1000 - 100 - 50 - 23);
});

test("a reservation counts whole, with what has come in of it, and whatever came in beyond it", async () => {
  objects = [
    { key: "uplink/alice/_/c1/0", size: 150 },
    { key: "uplink/alice/_/c2/0", size: 40 },
    { key: "uplink/alice/_/c3/0", size: 7 },
  ];
  const state = reserved(["c1", "alice", 200], ["c2", "alice", 30], ["c4", "alice"], ["c5", "bob", 900]);
  expect(await left(state)).toBe(1000 - 200 - 40 - 7);
});

test("nothing left is refused", async () => {
  await expect(left(reserved(["c1", "alice", 1000]))).rejects.toMatchObject({ code: "QUOTA_EXCEEDED" });
  expect(await left(reserved(["c1", "alice", 999]))).toBe(1);
});

test("more objects than one page are all counted", async () => {
  objects = Array.from({ length: 2500 }, (_, i) => ({
    key: `uplink/alice/_/c${i % 3}/${String(i).padStart(5, "0")}`,
    size: 0.1,
  })).sort((a, b) => (a.key < b.key ? -1 : 1));
  expect(await left([])).toBeCloseTo(750);
});
