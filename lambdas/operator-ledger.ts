import type { Dialect } from "./dialects/dialect.ts";
import { DIALECTS, NAMED_DIALECTS } from "./dialects/index.ts";
import { lanesOf } from "./dialects/lanes-of.ts";
import { Ledger } from "./ledger/ledger.ts";
import type { LedgerStore } from "./ports/ledger-store.ts";

/**
 * The ledger of a ground for an operator's process beside it: it has the lanes of every dialect, those that are off as
 * well, so that what ends there ends in the dialect's own records too.
 */
export function operatorLedger(
  store: LedgerStore,
  dialects: readonly Dialect[] = [...DIALECTS, ...NAMED_DIALECTS],
): Ledger {
  return new Ledger(store, { lanes: lanesOf(dialects, store) });
}
