import { beforeEach, expect, test, vi } from "vitest";
import { MemoryTable } from "#test/support/memory-store.ts";
import type { Command } from "../ledger/command.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Staging } from "../ports/staging.ts";
import { TransferBudget } from "./transfer-budget.ts";

const QUOTA = 1_000;

let states: Map<string, string>;
let budget: TransferBudget;
let command: ReturnType<typeof vi.fn>;
beforeEach(() => {
  states = new Map();
  command = vi.fn(async (_user: string, id: string) => ({ state: states.get(id) ?? "running" }));
  budget = new TransferBudget({
    store: new MemoryTable().open(),
    staging: { list: async () => [], usage: async () => 0 } as unknown as Staging,
    ledger: { command } as unknown as Ledger,
    quota: QUOTA,
    kept: async () => 0,
    now: () => 0,
  });
});

const of = (id: string) => ({ user: "ann", id }) as Command;
const send = (id: string, size: number) =>
  budget.reserve(of(id), { n: 0, size, transfer: `t${id}` }, undefined, async () => ({ transfer: `t${id}` }));

test("commands of earlier transfers are not looked up while there is room with all of them", async () => {
  for (const id of ["a", "b", "c"]) await send(id, QUOTA / 4);
  expect(command).not.toHaveBeenCalled();
});

test("those that have ended give their room to others, those that run keep it", async () => {
  await send("a", 600);
  await send("b", 300);
  await expect(send("c", 200)).rejects.toMatchObject({ code: "QUOTA_EXCEEDED" });
  states.set("b", "succeeded");
  await send("c", 200);
  states.set("c", "failed");
  await expect(send("d", 500)).rejects.toMatchObject({ code: "QUOTA_EXCEEDED" });
  expect((await send("d", 400)).abandoned).toMatchObject([{ command: "c" }]);
});

test("however small they are, no more are kept than run and a few", async () => {
  for (let n = 0; n < 40; n++) {
    await send(`c${n}`, 1);
    states.set(`c${n}`, "failed");
    const seen = await budget.look("ann");
    expect(seen?.data.transfers.length).toBeLessThanOrEqual(9);
  }
});
