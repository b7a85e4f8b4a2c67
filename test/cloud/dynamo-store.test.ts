import { inject } from "vitest";
import { ledgerStoreConformance } from "#test/conformance/ledger-store.ts";
import { share } from "#test/support/long-run.ts";
import { awsAt, dropTable, makeTable } from "./support/aws.ts";
import { openStore } from "./support/open-dynamo-store.ts";

const endpoint = inject("awsEndpoint");

const makeStore = async () => {
  const aws = awsAt(endpoint);
  const table = await makeTable(aws.dynamo);
  return {
    open: () => openStore(endpoint, table),
    child: {
      module: new URL("./support/open-dynamo-store.ts", import.meta.url).href,
      args: [endpoint, table],
    },
    async dispose() {
      await dropTable(aws.dynamo, table);
      aws.close();
    },
  };
};
ledgerStoreConformance("DynamoDB", makeStore, { increments: share(150, 25) });
