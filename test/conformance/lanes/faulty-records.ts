import { describe, expect, test } from "vitest";
import type { Command } from "#lambdas/ledger/command.ts";
import type { LaneOptions } from "#lambdas/ledger/lane-options.ts";
import { Ledger } from "#lambdas/ledger/ledger.ts";
import { ITEM_BYTES } from "#lambdas/ports/ledger-store.ts";
import { EM, JOBS, type LanesRig } from "./lanes-rig.ts";

/** Its dialect's records of an end are such as no store takes, by the command's input. */
const BROKEN: LaneOptions = {
  ...JOBS,
  name: "broken",
  async onEnd({ id, input }) {
    const { path } = input as { path: string };
    const note = (data: unknown) => ({ put: { pk: "notes", sk: id, data } });
    if (path === "throws") throw new Error("the dialect's fault");
    if (path === "large") return [note("x".repeat(ITEM_BYTES + 1))];
    if (path === "many")
      return Array.from({ length: 40 }, (_, i) => ({ put: { pk: "notes", sk: `${id}${i}`, data: i } }));
    if (path === "twice") return [note(1), note(2)];
    if (path === "together")
      return Array.from({ length: 20 }, (_, i) => ({
        put: { pk: "notes", sk: `${id}${i}`, data: "x".repeat(ITEM_BYTES - 10) },
      }));
    if (path === "condition") return [{ ...note(1), if: 7 }];
    return [note(1)];
  },
};
const FAULTS = ["throws", "large", "many", "twice", "together", "condition"];

/** A dialect's records that cannot be written keep no command from its end. */
export function testFaultyRecords(rig: LanesRig): void {
  const { claim, report, start, submit } = rig;

  describe("records of an end that no store takes", () => {
    let left: string[];
    const given = async (path: string) => {
      left = [];
      const endWithoutRecords = ({ id }: Command) => left.push(id);
      rig.ledger = new Ledger(await rig.table.open(), {
        now: () => rig.now,
        lanes: [EM, BROKEN],
        endWithoutRecords,
      });
      return submit({ lane: "broken", input: { volume: "v", path } });
    };
    const nothing = async () => {
      const { running, queue, ending } = await rig.ledger.lane("em1", "broken");
      return [running, queue, ending].every((list) => list.length === 0);
    };

    test.each(FAULTS)(
      "%s: the agent's report ends the command without them, and says so once",
      async (path) => {
        const command = await given(path);
        await claim({ broken: 1 });
        expect((await report(command)).command).toMatchObject({ state: "succeeded" });
        expect([await rig.ledger.command("alice", command.id), left]).toMatchObject([
          { state: "succeeded" },
          [command.id],
        ]);
        expect(await nothing()).toBe(true);
        expect(await rig.store.query({ pk: "notes", limit: 100 })).toEqual([]);
      },
    );

    test.each(FAULTS)("%s: a cancel, a reset and a start with another journal end it too", async (path) => {
      const cancelled = await given(path);
      expect(await rig.ledger.cancel("alice", cancelled.id)).toMatchObject({ state: "cancelled" });
      const input = { volume: "v", path };
      const reset = await submit({ lane: "broken", input });
      await claim({ broken: 1 });
      expect(await rig.ledger.resetEdge("em1")).toMatchObject([{ id: reset.id, state: "failed" }]);
      const lost = await submit({ lane: "broken", input });
      await claim({ broken: 1 });
      await start("journal-2");
      expect(await rig.ledger.command("alice", lost.id)).toMatchObject({ state: "failed" });
      expect(left).toEqual([cancelled.id, reset.id, lost.id]);
      expect(await nothing()).toBe(true);
    });

    test("a condition that holds at the next try is no fault", async () => {
      const command = await given("none");
      await claim({ broken: 1 });
      await report(command);
      expect([left, (await rig.store.get({ pk: "notes", sk: command.id }))?.data]).toEqual([[], 1]);
    });
  });
}
