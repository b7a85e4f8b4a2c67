import { inject } from "vitest";
import type { DynamoStore } from "#lambdas/adapters/dynamodb/store.ts";
import { lanesConformance } from "#test/conformance/lanes.ts";
import { ledgerConformance } from "#test/conformance/ledger.ts";
import { share } from "#test/support/long-run.ts";
import { awsAt, dropTable, makeTable } from "./support/aws.ts";
import { openStore } from "./support/open-dynamo-store.ts";

const endpoint = inject("awsEndpoint");

const emptyTable = async () => {
  const aws = awsAt(endpoint);
  const table = await makeTable(aws.dynamo);
  const opened: DynamoStore[] = [];
  return {
    async open() {
      const store = await openStore(endpoint, table);
      opened.push(store);
      return store;
    },
    async close() {
      for (const store of opened) await store.close();
      await dropTable(aws.dynamo, table);
      aws.close();
    },
  };
};
// The rules are the same code on every store, and SQLite has the full number in every run
ledgerConformance("DynamoDB", emptyTable, { histories: share(40, 8) });
lanesConformance("DynamoDB", emptyTable);
