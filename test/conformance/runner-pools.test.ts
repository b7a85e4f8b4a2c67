import { describe } from "vitest";
import { MemoryTable } from "../support/memory-store.ts";
import { temporaryStore } from "../support/temporary-store.ts";
import { runnerPoolsSuite } from "./runner-pools.ts";

describe("in memory", () => {
  runnerPoolsSuite(async () => {
    const table = new MemoryTable();
    return { store: table.open(), another: () => table.open() };
  });
});

describe("in SQLite", () => {
  runnerPoolsSuite(temporaryStore);
});
