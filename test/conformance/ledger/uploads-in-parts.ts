import { describe, expect, test } from "vitest";
import type { Draft } from "#lambdas/ledger/draft.ts";
import { PerigeeError } from "#protocol/errors.ts";
import { draft, type LedgerRig, refused } from "./ledger-rig.ts";

/** Commands whose files come in parts, before they are queued. */
export function testUploadsInParts(rig: LedgerRig): void {
  const { lock } = rig;

  describe("uploads in parts", () => {
    const H = 3600_000;
    const upload = { operation: "volume.uplink" as const, input: { volume: "v" } };
    const open = async (over: Partial<Draft> = {}, bytes = 0) =>
      (
        await rig.ledger.reserveParts(
          draft({ ...upload, ...over }),
          ({ id }) => `p/${id}/`,
          () => bytes,
        )
      ).command;

    test("one is reserved beside a busy edge and without contact, and queued once", async () => {
      await lock();
      rig.now += 24 * H;
      const command = await open();
      expect(command).toMatchObject({ state: "staging", staged: `p/${command.id}/` });
      const staged = { prefix: command.staged!, input: { volume: "w" } };
      const queued = await rig.ledger.queue(command, staged);
      expect(queued).toMatchObject({ state: "queued", input: { volume: "w" } });
      expect(await rig.ledger.queue(command, { ...staged, input: {} })).toEqual(queued);
      expect((await rig.ledger.lane("em1")).queue).toHaveLength(1);
    });

    test("one that ended after it was queued is found as it is", async () => {
      const command = await open();
      const staged = { prefix: command.staged!, input: {} };
      await rig.ledger.queue(command, staged);
      await rig.ledger.cancel("alice", command.id);
      expect((await rig.ledger.queue(command, staged)).state).toBe("cancelled");
      const other = await open();
      await rig.ledger.cancel("alice", other.id);
      await refused("CANCELLED", rig.ledger.queue(other, staged));
    });

    test("it lives two hours from its last word, a day at most, and over the ground's restarts", async () => {
      const idle = await open();
      let busy = await open();
      rig.now += 2 * H - 1;
      busy = await rig.ledger.extend(busy);
      expect(await rig.ledger.expireAbandoned("em1", 0)).toEqual([]);
      rig.now += 1;
      expect((await rig.ledger.expireAbandoned("em1")).map(({ id }) => id)).toEqual([idle.id]);
      expect((await rig.ledger.extend(idle)).state).toBe("expired");
      for (let hours = 2; hours < 24; hours++) {
        busy = await rig.ledger.extend(busy);
        expect(await rig.ledger.expireAbandoned("em1")).toEqual([]);
        rig.now += H;
      }
      expect((await rig.ledger.expireAbandoned("em1")).map(({ id }) => id)).toEqual([busy.id]);
    });

    test("what it holds is decided by the edge as it is, whoever else reserves at once", async () => {
      const others = await Promise.all(Array.from({ length: 4 }, async () => rig.open()));
      const hold = (reserved: readonly { bytes?: number }[]) => {
        if (reserved.reduce((sum, { bytes = 0 }) => sum + bytes, 0) + 30 > 100) {
          throw new PerigeeError("QUOTA_EXCEEDED", "full");
        }
        return 30;
      };
      const all = await Promise.allSettled(
        Array.from({ length: 8 }, (_, i) =>
          others[i % 4]!.reserveParts(draft(upload), ({ id }) => `p/${id}/`, hold),
        ),
      );
      expect(all.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
      await refused("QUOTA_EXCEEDED", rig.ledger.reserve(draft(upload), false, hold));
    });

    test("its Idempotency-Key finds it, and it takes a place of its user's", async () => {
      const idempotency = { key: "k", route: "uplinks", digest: "d" };
      const first = await open({ idempotency });
      expect((await open({ idempotency })).id).toBe(first.id);
      await refused("IDEMPOTENCY_KEY_REUSED", open({ idempotency: { ...idempotency, digest: "e" } }));
      for (let i = 1; i < 20; i++) await open();
      await refused("QUEUE_FULL", open());
      await rig.ledger.endUnclaimed(first, "expired");
      expect((await open({ idempotency })).id).not.toBe(first.id);
    });
  });
}
