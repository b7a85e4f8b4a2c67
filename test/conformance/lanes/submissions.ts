import { describe, expect, test } from "vitest";
import type { Command } from "#lambdas/ledger/command.ts";
import { Ledger } from "#lambdas/ledger/ledger.ts";
import { ConditionFailed } from "#lambdas/ports/ledger-store.ts";
import { draft, EM, ids, JOBS, type LanesRig, NOTED } from "./lanes-rig.ts";

/** Many commands submitted at once: whole and in order, or not at all. */
export function testSubmissions(rig: LanesRig): void {
  const { open, submit } = rig;

  describe("a submission of more commands than one transaction holds", () => {
    const drafts = (count: number) =>
      Array.from({ length: count }, (_, n) => draft({ input: { volume: "v", path: `f${n}` } }));
    const key = { key: "k", route: "jobs", digest: "d" };

    test("is queued whole and in order, once for its key", async () => {
      const { commands, replayed } = await rig.ledger.submitMany(drafts(200), key);
      expect(replayed).toBe(false);
      expect(commands.map(({ input }) => (input as { path: string }).path)).toEqual(
        Array.from({ length: 200 }, (_, n) => `f${n}`),
      );
      expect(ids((await rig.ledger.lane("em1", "jobs")).queue)).toEqual(ids(commands));
      const again = await rig.ledger.submitMany(drafts(200), key);
      expect(again.replayed).toBe(true);
      expect(ids(again.commands)).toEqual(ids(commands));
      const other = rig.ledger.submitMany(drafts(1), { ...key, digest: "e" });
      await expect(other).rejects.toMatchObject({ code: "IDEMPOTENCY_KEY_REUSED" });
    });

    test("is refused whole", async () => {
      await expect(rig.ledger.submitMany(drafts(301), key)).rejects.toMatchObject({ code: "QUEUE_FULL" });
      expect(await rig.ledger.commands("alice", { limit: 1 })).toEqual([]);
      expect((await rig.ledger.submitMany(drafts(300), key)).commands).toHaveLength(300);
      await expect(submit()).rejects.toMatchObject({ code: "QUEUE_FULL" });
    });

    test("by several at once with one key is one", async () => {
      const others = await Promise.all(Array.from({ length: 3 }, () => open()));
      const all = await Promise.all(others.map((other) => other.submitMany(drafts(40), key)));
      expect(new Set(all.map(({ commands }) => ids(commands).join())).size).toBe(1);
      expect((await rig.ledger.lane("em1", "jobs")).queue).toHaveLength(40);
    });

    test("that is refused, or meets an earlier one of its key, leaves nothing in the store", async () => {
      const written = new Set<string>();
      const watched = async () => {
        const under = await rig.table.open();
        const transact = under.transact.bind(under);
        under.transact = (writes) => {
          for (const write of writes) if ("put" in write) written.add(write.put.pk);
          return transact(writes);
        };
        return new Ledger(under, { now: () => rig.now, lanes: [EM, JOBS, NOTED] });
      };
      const left = async () => {
        const submissions = [...written].filter((pk) => pk.startsWith("submission#"));
        const items = await Promise.all(submissions.map((pk) => rig.store.query({ pk, limit: 10 })));
        return items.flat().map(({ sk }) => sk);
      };
      const refused = (await watched()).submitMany(drafts(301));
      await expect(refused).rejects.toMatchObject({ code: "QUEUE_FULL" });
      expect(written.size).toBe(0);
      const others = await Promise.all(Array.from({ length: 3 }, () => watched()));
      await Promise.all(others.map((other) => other.submitMany(drafts(5), key)));
      expect(await left()).toEqual(["head"]);
      const racing = others.map((other) => other.submitMany(drafts(200)).catch(() => undefined));
      await Promise.all(racing);
      expect(await left()).toEqual(["head", "head"]);
    });

    test("brings its dialect's records", async () => {
      const records = ({ id }: Command) => [{ put: { pk: "numbers", sk: id, data: 1 } }];
      const { commands } = await rig.ledger.submitMany([draft({ records }), draft({ records })]);
      const found = await Promise.all(ids(commands).map((sk) => rig.store.get({ pk: "numbers", sk })));
      expect(found.map((item) => item?.data)).toEqual([1, 1]);
    });
  });

  describe("a submission that one transaction holds", () => {
    const key = { pk: "beside", sk: "1" };
    const beside = (rev: number) => [{ put: { ...key, data: "written" }, if: rev }];
    const records = ({ id }: Command) => [{ put: { pk: "numbers", sk: id, data: 1 } }];
    const drafts = (count: number) =>
      Array.from({ length: count }, (_, n) => draft({ input: { volume: "v", path: `f${n}` }, records }));

    test("is queued in order with what is written beside it", async () => {
      const commands = (await rig.ledger.submitTogether(drafts(5), beside(0)))!;
      expect(commands.map(({ input }) => (input as { path: string }).path)).toEqual(
        Array.from({ length: 5 }, (_, n) => `f${n}`),
      );
      expect(ids((await rig.ledger.lane("em1", "jobs")).queue)).toEqual(ids(commands));
      expect((await rig.store.get(key))?.data).toBe("written");
      const found = await Promise.all(ids(commands).map((sk) => rig.store.get({ pk: "numbers", sk })));
      expect(found.map((item) => item?.data)).toEqual([1, 1, 1, 1, 1]);
    });

    test("writes nothing where it does not fit, is refused, or comes behind a change", async () => {
      await rig.ledger.submitMany(drafts(299));
      const before = ids((await rig.ledger.lane("em1", "jobs")).queue);
      expect(await rig.ledger.submitTogether(drafts(30), beside(0))).toBeUndefined();
      await expect(rig.ledger.submitTogether(drafts(2), beside(0))).rejects.toMatchObject({
        code: "QUEUE_FULL",
      });
      await expect(rig.ledger.submitTogether(drafts(1), beside(7))).rejects.toBeInstanceOf(ConditionFailed);
      expect(ids((await rig.ledger.lane("em1", "jobs")).queue)).toEqual(before);
      expect(await rig.store.get(key)).toBeUndefined();
    });

    test("by several at once on one condition is one", async () => {
      const others = await Promise.all(Array.from({ length: 3 }, () => open()));
      const all = await Promise.allSettled(others.map((other) => other.submitTogether(drafts(2), beside(0))));
      expect(all.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      expect((await rig.ledger.lane("em1", "jobs")).queue).toHaveLength(2);
    });
  });
}
