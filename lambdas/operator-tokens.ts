import type { DialectTokens } from "./dialects/dialect.ts";
import { DIALECTS } from "./dialects/index.ts";
import { OwnRecords } from "./dialects/own-records.ts";
import type { LedgerStore } from "./ports/ledger-store.ts";

export type OperatorTokens = DialectTokens;

/** The tokens of a dialect's clients, for an operator's process; also of one that is off. @throws Error: it has none */
export function operatorTokens(store: LedgerStore, name: string): OperatorTokens {
  const dialect = DIALECTS.find((one) => one.name === name);
  if (!dialect?.tokens) throw new Error(`there is no dialect ${name} with tokens`);
  return dialect.tokens(new OwnRecords(store, name));
}
