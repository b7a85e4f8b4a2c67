/**
 * Another process on the table of a conformance test:
 * `ledger-store-child.ts MODULE JSON-ARGS increment N` adds N to a counter;
 * `… append` writes pairs for ever and prints the number of each once it is acknowledged.
 */
import { writeSync } from "node:fs";
import { ConditionFailed, type LedgerStore } from "#lambdas/ports/ledger-store.ts";

const [module, args, task, count] = process.argv.slice(2);
const { openStore } = (await import(module!)) as { openStore(...args: string[]): Promise<LedgerStore> };
const store = await openStore(...(JSON.parse(args!) as string[]));

if (task === "increment") {
  for (let done = 0; done < Number(count); ) {
    const item = await store.get<number>({ pk: "p", sk: "count" });
    const put = { pk: "p", sk: "count", data: (item?.data ?? 0) + 1 };
    try {
      await store.transact([{ put, if: item?.rev ?? 0 }]);
      done++;
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error;
    }
  }
  await store.close();
} else {
  for (let n = 0; ; n++) {
    const sk = String(n).padStart(8, "0");
    await store.transact([
      { put: { pk: "left", sk, data: n }, if: 0 },
      { put: { pk: "right", sk, data: n }, if: 0 },
    ]);
    // Synchronously: what is printed was acknowledged, also when the next moment is the last.
    writeSync(1, `${n}\n`);
  }
}
