import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Doorbell, DoorbellListener } from "#lambdas/ports/doorbell.ts";

export type DoorbellUnderTest = {
  doorbell: Doorbell;
  /** the listening end of an edge, as its agent has it */
  listen(edge: string): DoorbellListener;
  close(): Promise<void>;
};

/**
 * Long enough for a ring to arrive anywhere, and never waited out when all is well. A poll that a starved queue never
 * answers is given up after 50 s, and the next one hears the ring.
 */
const LONG_MS = 180_000;
const SHORT_MS = 50;

/** What every Doorbell must do. `makeDoorbell` is called once; each test has edges of its own. */
export function doorbellConformance(name: string, makeDoorbell: () => Promise<DoorbellUnderTest>): void {
  describe(`Doorbell: ${name}`, () => {
    let made: DoorbellUnderTest;
    let count = 0;
    const fresh = () => `edge-${count++}`;

    beforeAll(async () => {
      made = await makeDoorbell();
    });
    afterAll(() => made?.close());

    it("wakes who waits", async () => {
      const edge = fresh();
      const waiting = made.listen(edge).wait(LONG_MS);
      await made.doorbell.ring(edge);
      expect(await waiting).toBe(true);
    });

    it("keeps a ring for the next wait", async () => {
      const edge = fresh();
      await made.doorbell.ring(edge);
      expect(await made.listen(edge).wait(LONG_MS)).toBe(true);
    });

    it("is silent when nobody rings", async () => {
      expect(await made.listen(fresh()).wait(SHORT_MS)).toBe(false);
    });

    it("does not ring for ever: rings are few or one, then there is silence", async () => {
      const edge = fresh();
      const listener = made.listen(edge);
      for (let i = 0; i < 5; i++) await made.doorbell.ring(edge);
      // a bell that is far away takes its time for the first one
      expect(await listener.wait(LONG_MS)).toBe(true);
      let rings = 1;
      while (await listener.wait(SHORT_MS)) rings++;
      expect(rings).toBeLessThanOrEqual(5);
    });

    it("wakes the edge that is meant and no other", async () => {
      const [edge, other] = [fresh(), fresh()];
      const abort = new AbortController();
      const listening = made.listen(other).wait(LONG_MS, abort.signal);
      const meant = made.listen(edge).wait(LONG_MS);
      await made.doorbell.ring(edge);
      expect(await meant).toBe(true);
      abort.abort();
      expect(await listening).toBe(false);
    });

    it("wakes many edges at once", async () => {
      const edges = Array.from({ length: 30 }, fresh);
      const waits = edges.map((edge) => made.listen(edge).wait(LONG_MS));
      await Promise.all(edges.map((edge) => made.doorbell.ring(edge)));
      expect(await Promise.all(waits)).toEqual(edges.map(() => true));
    });

    it("stops waiting when aborted, without throwing", async () => {
      const abort = new AbortController();
      const waiting = made.listen(fresh()).wait(LONG_MS, abort.signal);
      abort.abort();
      expect(await waiting).toBe(false);
      expect(await made.listen(fresh()).wait(LONG_MS, AbortSignal.abort())).toBe(false);
    });

    it("does not lose a ring to a wait that was aborted", async () => {
      const edge = fresh();
      const listener = made.listen(edge);
      for (let i = 0; i < 10; i++) {
        const abort = new AbortController();
        const waiting = listener.wait(LONG_MS, abort.signal);
        const ringing = made.doorbell.ring(edge);
        abort.abort();
        await ringing;
        const heard = await waiting;
        expect(heard || (await listener.wait(LONG_MS))).toBe(true);
        while (await listener.wait(SHORT_MS)) {
          // a doubled ring costs nothing
        }
      }
    });

    it("rings an edge that never listens", async () => {
      for (let i = 0; i < 3; i++) await expect(made.doorbell.ring("nobody")).resolves.toBeUndefined();
    });
  });
}
