import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ConditionFailed, ITEM_BYTES, type LedgerStore, type Write } from "#lambdas/ports/ledger-store.ts";

/** One empty table, for as many connections and processes as a test wants. */
export type LedgerStoreHarness = {
  /** another connection to the same table; the suite closes it */
  open(): Promise<LedgerStore>;
  /** how another process opens the table: the module's export `openStore(...args)` gives the store */
  child: { module: string; args: string[] };
  dispose(): Promise<void>;
};

const CHILD = fileURLToPath(new URL("./ledger-store-child.ts", import.meta.url));

/**
 * What every adapter of the LedgerStore port must do (lambdas/ports/ledger-store.ts). `increments`: of a counter, by
 * each of those who race for it.
 */
export function ledgerStoreConformance(
  name: string,
  makeStore: () => Promise<LedgerStoreHarness>,
  { increments = 150 } = {},
): void {
  describe(`ledger store: ${name}`, () => {
    let harness: LedgerStoreHarness;
    let store: LedgerStore;
    let opened: LedgerStore[];
    const open = async () => {
      const another = await harness.open();
      opened.push(another);
      return another;
    };
    /** Starts a child process on the table; whatever it does, it is gone at the end of the test. */
    const children: ReturnType<typeof spawn>[] = [];
    const child = (...task: string[]) => {
      const { module, args } = harness.child;
      const process_ = spawn(
        process.execPath,
        ["--disable-warning=ExperimentalWarning", CHILD, module, JSON.stringify(args), ...task],
        { stdio: ["ignore", "pipe", "inherit"] },
      );
      children.push(process_);
      return process_;
    };

    beforeEach(async () => {
      harness = await makeStore();
      opened = [];
      store = await open();
    });
    afterEach(async () => {
      for (const process_ of children.splice(0)) {
        if (process_.exitCode !== null || process_.signalCode !== null) continue;
        const gone = once(process_, "exit");
        process_.kill("SIGKILL");
        await gone;
      }
      for (const one of opened) await one.close();
      await harness.dispose();
    });

    const put = (sk: string, data: unknown, condition?: number, pk = "p"): Write => ({
      put: { pk, sk, data },
      ...(condition !== undefined && { if: condition }),
    });
    const failedIndex = async (writes: Write[]) => {
      const error = await store.transact(writes).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(ConditionFailed);
      return (error as ConditionFailed).index;
    };
    const sks = async (query: Omit<Parameters<LedgerStore["query"]>[0], "pk">, pk = "p") =>
      (await store.query({ pk, ...query })).map((item) => item.sk);

    describe("one item", () => {
      it("is absent before, and whole after", async () => {
        expect(await store.get({ pk: "p", sk: "a" })).toBeUndefined();
        const data = {
          text: 'ü "\\ \n 🛰 \ud83d',
          number: -1.5e-7,
          big: Number.MAX_SAFE_INTEGER,
          nested: [{ empty: {} }, [], null, true, ""],
        };
        await store.transact([put("a", data)]);
        expect(await store.get({ pk: "p", sk: "a" })).toEqual({ pk: "p", sk: "a", rev: 1, data });
      });

      it.each([[null], ["text"], [0], [false], [[]], [{}]])("may hold %j", async (data) => {
        await store.transact([put("a", data)]);
        expect((await store.get({ pk: "p", sk: "a" }))?.data).toEqual(data);
      });

      it("keeps its expiry until a write without one", async () => {
        const key = { pk: "p", sk: "a" };
        await store.transact([{ put: { ...key, expiresAt: 1_700_000_000_000, data: 1 } }]);
        expect((await store.get(key))?.expiresAt).toBe(1_700_000_000_000);
        await store.transact([{ put: { ...key, data: 2 } }]);
        expect(await store.get(key)).toEqual({ ...key, rev: 2, data: 2 });
      });

      it("is what it was when it was given", async () => {
        const data = { count: 1 };
        const done = store.transact([put("a", data)]);
        data.count = 2;
        await done;
        expect((await store.get({ pk: "p", sk: "a" }))?.data).toEqual({ count: 1 });
      });

      it("may be as large as results get (300 KB)", async () => {
        const data = "x".repeat(300_000);
        await store.transact([put("a", data)]);
        expect((await store.get({ pk: "p", sk: "a" }))?.data).toBe(data);
      });

      it("is not there under a key that cannot be, and others that are asked for with it are", async () => {
        await store.transact([put("a", 1)]);
        const keys = ["a", "", "x".repeat(1025), "\ud800"].map((sk) => ({ pk: "p", sk }));
        const items = await Promise.all(keys.map((key) => store.get(key)));
        expect(items.map((item) => item?.data)).toEqual([1, undefined, undefined, undefined]);
        expect(await store.get({ pk: "", sk: "a" })).toBeUndefined();
      });

      it("is seen at once by another connection", async () => {
        const other = await open();
        await store.transact([put("a", 1)]);
        expect((await other.get({ pk: "p", sk: "a" }))?.data).toBe(1);
        await other.transact([put("a", 2, 1)]);
        expect(await store.get({ pk: "p", sk: "a" })).toMatchObject({ rev: 2, data: 2 });
      });
    });

    describe("revisions and conditions", () => {
      it("rise by one with every put, conditional or not, and begin anew after a delete", async () => {
        const rev = async () => (await store.get({ pk: "p", sk: "a" }))?.rev;
        await store.transact([put("a", 1, 0)]);
        expect(await rev()).toBe(1);
        await store.transact([put("a", 1)]);
        expect(await rev()).toBe(2);
        await store.transact([put("a", 1, 2)]);
        expect(await rev()).toBe(3);
        await store.transact([{ check: { pk: "p", sk: "a" }, if: 3 }]);
        expect(await rev()).toBe(3);
        await store.transact([{ delete: { pk: "p", sk: "a" }, if: 3 }]);
        expect(await rev()).toBeUndefined();
        await store.transact([put("a", 1, 0)]);
        expect(await rev()).toBe(1);
      });

      it.each([
        ["put of an absent key that must exist", [put("none", 1, 1)]],
        ["put of an existing key that must be absent", [put("a", 1, 0)]],
        ["put with an older revision", [put("a", 1, 1)]],
        ["put with a revision to come", [put("a", 1, 3)]],
        ["delete of an absent key that must exist", [{ delete: { pk: "p", sk: "none" }, if: 1 }]],
        ["delete with an older revision", [{ delete: { pk: "p", sk: "a" }, if: 1 }]],
        ["delete of an existing key that must be absent", [{ delete: { pk: "p", sk: "a" }, if: 0 }]],
        ["check of an absent key that must exist", [{ check: { pk: "p", sk: "none" }, if: 1 }]],
        ["check of an existing key that must be absent", [{ check: { pk: "p", sk: "a" }, if: 0 }]],
        ["check of an older revision", [{ check: { pk: "p", sk: "a" }, if: 1 }]],
      ] satisfies [string, Write[]][])("%s fails and changes nothing", async (_name, writes) => {
        await store.transact([put("a", "first")]);
        await store.transact([put("a", "second")]);
        expect(await failedIndex(writes)).toBe(0);
        expect(await store.query({ pk: "p", limit: 10 })).toEqual([
          { pk: "p", sk: "a", rev: 2, data: "second" },
        ]);
      });

      it("a check of absence, and deletes of nothing, hold", async () => {
        await store.transact([
          { check: { pk: "p", sk: "a" }, if: 0 },
          { delete: { pk: "p", sk: "b" } },
          { delete: { pk: "p", sk: "c" }, if: 0 },
        ]);
        expect(await sks({ limit: 10 })).toEqual([]);
      });

      it("take no notice of expiry: an expired item is there until it is swept", async () => {
        await store.transact([{ put: { pk: "p", sk: "a", expiresAt: 1000, data: 1 } }]);
        expect(await failedIndex([put("a", 2, 0)])).toBe(0);
        expect(await store.get({ pk: "p", sk: "a" })).toMatchObject({ rev: 1, data: 1 });
      });
    });

    describe("transactions", () => {
      it("happen whole, over several partitions", async () => {
        await store.transact([put("a", 1, 0), put("a", 2, 0, "q")]);
        await store.transact([
          { delete: { pk: "p", sk: "a" }, if: 1 },
          put("b", 3, 0),
          put("a", 4, 1, "q"),
          { check: { pk: "q", sk: "b" }, if: 0 },
        ]);
        expect(await store.query({ pk: "p", limit: 10 })).toEqual([{ pk: "p", sk: "b", rev: 1, data: 3 }]);
        expect(await store.query({ pk: "q", limit: 10 })).toEqual([{ pk: "q", sk: "a", rev: 2, data: 4 }]);
      });

      it("or not at all, and name the first condition that failed", async () => {
        await store.transact([put("x", 0)]);
        const writes: Write[] = [put("a", 1), put("b", 1, 0), put("c", 1, 7), put("x", 1, 0)];
        expect(await failedIndex(writes)).toBe(2);
        expect(await failedIndex([...writes].reverse())).toBe(0);
        expect(await failedIndex([put("a", 1), { delete: { pk: "p", sk: "x" } }, put("c", 1, 7)])).toBe(2);
        expect(await store.query({ pk: "p", limit: 10 })).toEqual([{ pk: "p", sk: "x", rev: 1, data: 0 }]);
      });

      it("have at most 25 writes, each to another key", async () => {
        const many = Array.from({ length: 26 }, (_, n) => put(`k${n}`, n));
        await expect(store.transact(many)).rejects.toThrow(RangeError);
        await expect(store.transact([put("a", 1), { check: { pk: "p", sk: "a" }, if: 0 }])).rejects.toThrow(
          RangeError,
        );
        expect(await sks({ limit: 30 })).toEqual([]);
        await store.transact(many.slice(0, 25));
        expect(await sks({ limit: 30 })).toHaveLength(25);
        await store.transact([]);
      });

      it("refuse what cannot be held: empty and long keys, large data, data that is no JSON", async () => {
        await expect(store.transact([put("", 1)])).rejects.toThrow();
        await expect(store.transact([put("é".repeat(513), 1)])).rejects.toThrow(RangeError);
        await expect(store.transact([put("a", 1, 0, "p".repeat(2049))])).rejects.toThrow(RangeError);
        await expect(store.transact([put("a", "x".repeat(ITEM_BYTES))])).rejects.toThrow(RangeError);
        await store.transact([put("é".repeat(512), 1, 0, "p".repeat(2048))]);
        await expect(store.transact([put("a", 1, undefined, "")])).rejects.toThrow();
        await expect(store.transact([put("a", undefined)])).rejects.toThrow();
        expect(await sks({ limit: 1 })).toEqual([]);
      });

      it("asked for at once stand or fall each alone", async () => {
        const outcomes = await Promise.allSettled([
          store.transact([put("a", "first", 0)]),
          store.transact([put("b", 1), put("a", "second", 0)]),
          store.transact([put("c", 1, 0)]),
          store.transact([put("d", 1, 5)]),
        ]);
        // Which of the first two wins is open; that exactly one does is not.
        expect(
          outcomes
            .slice(0, 2)
            .map(({ status }) => status)
            .sort(),
        ).toEqual(["fulfilled", "rejected"]);
        expect(outcomes[2]?.status).toBe("fulfilled");
        expect(outcomes[3]).toMatchObject({
          status: "rejected",
          reason: { name: "ConditionFailed", index: 0 },
        });
        const first = outcomes[0]?.status === "fulfilled";
        expect(await sks({ limit: 10 })).toEqual(first ? ["a", "c"] : ["a", "b", "c"]);
      });
    });

    describe("queries", () => {
      const keys = ["", "a", "a/", "a/1", "a/10", "a/2", "a0", "b"].map((key) => `k${key}`);
      beforeEach(async () => {
        await store.transact(keys.toReversed().map((sk) => put(sk, sk)));
        await store.transact([put("ka/1", "other partition", undefined, "p2")]);
      });

      it("give whole items of one partition in order, up to the limit", async () => {
        expect(await sks({ limit: 100 })).toEqual(keys);
        expect(await sks({ limit: 3 })).toEqual(keys.slice(0, 3));
        expect(await sks({ limit: 3, descending: true })).toEqual(keys.toReversed().slice(0, 3));
        expect(await sks({ limit: 100 }, "p2")).toEqual(["ka/1"]);
        expect(await sks({ limit: 100 }, "p3")).toEqual([]);
        expect(await store.query({ pk: "p", limit: 1 })).toEqual([{ pk: "p", sk: "k", rev: 1, data: "k" }]);
      });

      it.each([
        [{ prefix: "ka/" }, ["ka/", "ka/1", "ka/10", "ka/2"]],
        [{ prefix: "ka/", after: "ka/1" }, ["ka/10", "ka/2"]],
        [{ prefix: "ka/", before: "ka/10" }, ["ka/", "ka/1"]],
        [{ prefix: "ka/", after: "ka/", before: "ka/2" }, ["ka/1", "ka/10"]],
        [{ prefix: "ka/", after: "k" }, ["ka/", "ka/1", "ka/10", "ka/2"]],
        [{ prefix: "ka/", before: "kz" }, ["ka/", "ka/1", "ka/10", "ka/2"]],
        [{ prefix: "ka/", after: "kb" }, []],
        [{ prefix: "ka/", before: "ka" }, []],
        [{ after: "ka/2" }, ["ka0", "kb"]],
        [{ after: "ka/15" }, ["ka/2", "ka0", "kb"]],
        [{ before: "ka/" }, ["k", "ka"]],
        [{ after: "ka", before: "ka/1" }, ["ka/"]],
        [{ after: "kb" }, []],
        [{ before: "k" }, []],
        [{ after: "kb", before: "ka" }, []],
        [{ prefix: "kb" }, ["kb"]],
        [{ prefix: "none" }, []],
      ])("%j, both ways", async (bounds, expected) => {
        expect(await sks({ ...bounds, limit: 100 })).toEqual(expected);
        expect(await sks({ ...bounds, limit: 100, descending: true })).toEqual(expected.toReversed());
        expect(await sks({ ...bounds, limit: 1 })).toEqual(expected.slice(0, 1));
        expect(await sks({ ...bounds, limit: 1, descending: true })).toEqual(
          expected.toReversed().slice(0, 1),
        );
      });

      it("give what the caller remembers of a revision, and what is stored of others", async () => {
        await store.transact([put("ka", "changed")]);
        const remembered = new Map([
          ["k", { sk: "k", rev: 1, data: { of: "k" } }],
          ["ka", { sk: "ka", rev: 1, data: { of: "ka" } }],
        ]);
        const known = (sk: string, rev: number) => {
          const one = remembered.get(sk);
          return one?.rev === rev ? one.data : undefined;
        };
        const found = await store.query({ pk: "p", limit: 3, known });
        expect(found.map(({ rev, data }) => [rev, data])).toEqual([
          [1, { of: "k" }],
          [2, "changed"],
          [1, "ka/"],
        ]);
        expect(found[0]?.data).toBe(remembered.get("k")?.data);
      });

      it("go on page by page after the last key seen", async () => {
        const seen: string[] = [];
        for (let page = await sks({ limit: 3 }); page.length > 0; ) {
          seen.push(...page);
          page = await sks({ limit: 3, after: page.at(-1)! });
        }
        expect(seen).toEqual(keys);
      });

      it("order by bytes, not by UTF-16 units, and take prefixes and bounds so", async () => {
        // U+FF5E sorts after U+1F6F0 by UTF-16 units, before it by UTF-8 bytes.
        const unicode = [
          "Z",
          "a",
          "a\u0301",
          "z",
          "é",
          "\ud7ff",
          "\ud7ff1",
          "\ue000",
          "～",
          "🛰",
          "🛰1",
          "\u{10ffff}",
        ];
        await store.transact(unicode.toReversed().map((sk) => put(sk, 0, undefined, "u")));
        expect(await sks({ limit: 100 }, "u")).toEqual(unicode);
        expect(await sks({ limit: 100, descending: true }, "u")).toEqual(unicode.toReversed());
        expect(await sks({ limit: 100, prefix: "🛰" }, "u")).toEqual(["🛰", "🛰1"]);
        expect(await sks({ limit: 100, prefix: "\ud7ff" }, "u")).toEqual(["\ud7ff", "\ud7ff1"]);
        expect(await sks({ limit: 100, prefix: "\u{10ffff}" }, "u")).toEqual(["\u{10ffff}"]);
        expect(await sks({ limit: 100, after: "～", before: "\u{10ffff}" }, "u")).toEqual(["🛰", "🛰1"]);
        expect(await sks({ limit: 100, prefix: "a", after: "a" }, "u")).toEqual(["a\u0301"]);
      });
    });

    describe("sweep", () => {
      const expiring = (sk: string, expiresAt: number): Write => ({
        put: { pk: "p", sk, expiresAt, data: 0 },
      });

      it("deletes what has expired before now, never more than the limit, and says how many", async () => {
        await store.transact([
          ...[1, 2, 3, 4, 5].map((n) => expiring(`old${n}`, n * 1000)),
          expiring("now", 10_000),
          expiring("later", 11_000),
          put("never", 0),
        ]);
        expect(await store.sweep(10_000, 3)).toBe(3);
        expect(await sks({ limit: 100, prefix: "old" })).toHaveLength(2);
        expect(await store.sweep(10_000, 100)).toBe(2);
        expect(await store.sweep(10_000, 100)).toBe(0);
        expect(await sks({ limit: 100 })).toEqual(["later", "never", "now"]);
      });

      it("spares an item that has been renewed", async () => {
        await store.transact([expiring("a", 1000), expiring("b", 1000)]);
        await store.transact([expiring("a", 20_000), put("b", 0)]);
        expect(await store.sweep(10_000, 100)).toBe(0);
      });
    });

    describe("several writers", () => {
      it("lose no increment between two connections", async () => {
        const other = await open();
        const each = Math.min(increments, 50);
        const racing = Array.from({ length: 2 * each }, (_, n) => increment(n % 2 ? store : other, "count"));
        await Promise.all(racing);
        expect(await store.get({ pk: "p", sk: "count" })).toMatchObject({ rev: 2 * each, data: 2 * each });
      });

      it("lose no increment between two processes and this one", async () => {
        const others = [child("increment", `${increments}`), child("increment", `${increments}`)];
        const ended = others.map((process_) => once(process_, "exit"));
        for (let n = 0; n < increments; n++) await increment(store, "count");
        expect(await Promise.all(ended)).toEqual([
          [0, null],
          [0, null],
        ]);
        expect(await store.get({ pk: "p", sk: "count" })).toMatchObject({
          rev: 3 * increments,
          data: 3 * increments,
        });
      });

      it("let exactly one of many take a lock", async () => {
        const other = await open();
        const outcomes = await Promise.allSettled(
          Array.from({ length: 40 }, (_, n) =>
            (n % 2 ? store : other).transact([put("lock", n, 0), put(`holder${n}`, n, 0)]),
          ),
        );
        const winners = outcomes.flatMap(({ status }, n) => (status === "fulfilled" ? [n] : []));
        expect(winners).toHaveLength(1);
        expect((await store.get({ pk: "p", sk: "lock" }))?.data).toBe(winners[0]);
        expect(await sks({ limit: 100, prefix: "holder" })).toEqual([`holder${winners[0]}`]);
      });
    });

    it("keeps every acknowledged transaction of a process killed in mid-loop, and no half one", async () => {
      const writer = child("append");
      const gone = once(writer, "exit");
      let acknowledged = -1;
      for await (const line of createInterface({ input: writer.stdout! })) {
        acknowledged = Number(line);
        if (acknowledged === 60) writer.kill("SIGKILL");
      }
      expect(await gone).toEqual([null, "SIGKILL"]);
      expect(acknowledged).toBeGreaterThanOrEqual(60);

      const later = await open();
      const left = await later.query<number>({ pk: "left", limit: 100_000 });
      const right = await later.query<number>({ pk: "right", limit: 100_000 });
      expect(left.length).toBeGreaterThan(acknowledged);
      expect(left.map((item) => item.data)).toEqual(left.map((_, n) => n));
      expect(right.map((item) => item.data)).toEqual(left.map((item) => item.data));
      // And the table goes on.
      await later.transact([put("after", 1, 0)]);
    });
  });
}

/** Adds one to the number under `p`/`sk` by read and conditional write, again until it lands. */
export async function increment(store: LedgerStore, sk: string): Promise<void> {
  for (;;) {
    const item = await store.get<number>({ pk: "p", sk });
    try {
      return await store.transact([
        { put: { pk: "p", sk, data: (item?.data ?? 0) + 1 }, if: item?.rev ?? 0 },
      ]);
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error;
    }
  }
}
