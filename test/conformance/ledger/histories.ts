import fc from "fast-check";
import { expect, test } from "vitest";
import type { Command } from "#lambdas/ledger/command.ts";
import { PerigeeError } from "#protocol/errors.ts";
import { isTerminal } from "#protocol/state.ts";
import { AGENT, draft, type LedgerRig } from "./ledger-rig.ts";

/** Generated histories of one edge. */
export function testHistories(rig: LedgerRig, histories: number): void {
  test("whatever happens in whatever order, one command holds the edge and terminal states stay", async () => {
    const steps = fc.constantFrom(
      "lock",
      "queue",
      "reserve",
      "stage",
      "withdraw",
      "claim",
      "report",
      "fail",
      "cancel",
      "restart",
      "newJournal",
      "reset",
      "minutes",
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(steps, { maxLength: 40 }),
        fc.infiniteStream(fc.nat()),
        async (plan, picks) => {
          const edge = `p${Math.random().toString(36).slice(2)}`;
          const known = new Map<string, Command>();
          let at = await rig.ledger.startAgent(edge, "j0", AGENT);
          let journals = 0;
          const pick = () => [...known.values()][picks.next().value! % Math.max(1, known.size)];
          const keep = (command: Command | undefined) => {
            if (!command) return;
            const before = known.get(command.id);
            if (before && isTerminal(before.state)) expect(command.state).toBe(before.state);
            known.set(command.id, command);
          };
          const on = { edge, operation: "volume.delete" as const };
          const acts: Record<string, () => Promise<Command | undefined>> = {
            lock: async () => (await rig.ledger.submit(draft(on), "place")).command,
            queue: async () => (await rig.ledger.submit(draft(on), "queue")).command,
            reserve: () => rig.ledger.reserve(draft(on), false),
            stage: async () => rig.ledger.queue(pick()!, { prefix: "p/", input: {} }),
            withdraw: async () => rig.ledger.endUnclaimed(pick()!, "expired"),
            claim: () => rig.ledger.claim(edge, at),
            report: async () =>
              rig.ledger.report(edge, at, "alice", pick()!.id, { state: "succeeded", result: {} }),
            fail: async () =>
              rig.ledger.report(edge, at, "alice", pick()!.id, {
                state: "failed",
                failure: { code: "DELETE_FAILED", message: "" },
              }),
            cancel: async () => rig.ledger.cancel("alice", pick()!.id),
            restart: async () => {
              at = await rig.ledger.startAgent(edge, `j${journals}`, AGENT);
            },
            newJournal: async () => {
              at = await rig.ledger.startAgent(edge, `j${++journals}`, AGENT);
            },
            reset: async () => (await rig.ledger.resetEdge(edge))[0],
            minutes: async () => {
              rig.now += 11 * 60_000;
            },
          };
          for (const step of plan) {
            await rig.ledger.heartbeat(edge, { epoch: at, nodes: [], usage: {}, free: 1 });
            try {
              keep((await acts[step]!()) ?? undefined);
            } catch (error) {
              if (!(error instanceof PerigeeError || error instanceof TypeError)) throw error;
            }
            const commands = await Promise.all(
              [...known.keys()].map((id) => rig.ledger.command("alice", id)),
            );
            commands.forEach(keep);
            const running = commands.filter(({ state }) => state === "running");
            expect(running.length).toBeLessThanOrEqual(1);
            const state = await rig.ledger.lane(edge);
            const [holder] = state.running;
            if (running[0]) expect(holder).toMatchObject({ id: running[0].id, claim: expect.any(Object) });
            const waiting = commands.filter((c) => c.state === "queued" && c.id !== holder?.id);
            expect(new Set(state.queue.map(({ id }) => id))).toEqual(new Set(waiting.map(({ id }) => id)));
            const staging = commands.filter((c) => c.state === "staging");
            expect(new Set(state.reserved.map(({ id }) => id))).toEqual(new Set(staging.map(({ id }) => id)));
          }
        },
      ),
      { numRuns: histories },
    );
  });
}
